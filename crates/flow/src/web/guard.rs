//! Rejects requests from other web pages.
//!
//! Every web page can send requests to this computer. A page whose host name resolves to 127.0.0.1
//! could even read the replies (DNS rebinding). Therefore, the server checks the name in `Host`,
//! the page in `Origin`, and a token that only the URL in the terminal contains.

use std::sync::Arc;

use anyhow::anyhow;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::reply::Failure;

/// The header that can contain the token.
const TOKEN_HEADER: &str = "x-flow-token";

/// The number of random bytes in a token.
const TOKEN_BYTES: usize = 16;

/// The headers of every response. The page loads nothing from other hosts, is not part of another
/// page, and does not send its URL, which contains the token. Nothing is cached, because the next
/// run of the program may be another version.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The valid hosts, origins and token of the requests.
pub(super) struct Guard {
    hosts: [String; 2],
    token: String,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
}

impl Guard {
    pub fn new(port: u16) -> anyhow::Result<Self> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|error| anyhow!("the system provides no random numbers: {error}"))?;
        let token = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        // Browsers omit the default port.
        let port = if port == 80 { String::new() } else { format!(":{port}") };
        Ok(Self { hosts: ["127.0.0.1", "localhost"].map(|host| format!("{host}{port}")), token })
    }

    pub fn url(&self) -> String {
        format!("http://{}/?token={}", self.hosts[0], self.token)
    }

    fn check_sender(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let is_host = |value: &HeaderValue| self.hosts.iter().any(|host| value == host);
        if !hosts.next().is_some_and(is_host) || hosts.next().is_some() {
            let help = "open the URL that `flow` printed";
            return Err(Failure::forbidden("the host name in the URL is not valid", help));
        }
        // Browsers send `Origin` with every request that changes something.
        let is_origin = |value: &HeaderValue| {
            let host = value.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
            host.is_some_and(|host| self.hosts.iter().any(|valid| valid == host))
        };
        if !headers.get_all(header::ORIGIN).iter().all(is_origin) {
            let help = "use the page of `flow`";
            return Err(Failure::forbidden("another web page sent the request", help));
        }
        Ok(())
    }
}

/// Checks the `Host` and the `Origin` of every request, and adds headers to the response.
pub(super) async fn check_sender(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match guard.check_sender(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Checks the token of a request.
pub(super) async fn check_token(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let in_header = request.headers().get(TOKEN_HEADER).and_then(|value| value.to_str().ok());
    let in_query = Query::<Token>::try_from_uri(request.uri()).ok().and_then(|query| query.0.token);
    if in_header.or(in_query.as_deref()) == Some(&*guard.token) {
        return next.run(request).await;
    }
    let help = "open the URL that `flow` printed; each run of `flow` has a new token";
    Failure::forbidden("the token in the URL is missing or not valid", help).into_response()
}
