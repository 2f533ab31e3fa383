//! Serves the page, the stream of lines, and the requests of the page. The server listens only on
//! this computer.

mod control;
mod guard;
mod page;
mod reply;
mod stream;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::clients::CLIENTS_MAX;
use crate::hub::Hub;
use crate::trace::Line;

pub use control::Control;

use guard::Guard;
use reply::Failure;

/// The maximum length of the body of a request, in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;

/// The maximum number of pages that receive the stream at the same time.
const STREAMS_MAX: usize = 16;

/// The source of the lines that the page shows.
#[derive(Clone)]
pub enum Mode {
    /// Servers that run.
    Live(Control),
    /// A trace that was recorded earlier.
    Replay,
}

/// A server for the page that listens, but does not accept connections yet.
pub struct Web {
    listener: TcpListener,
    guard: Guard,
}

/// The values that all requests share.
struct Session {
    hub: Arc<Hub>,
    mode: Mode,
    streams: Arc<Semaphore>,
}

impl Web {
    /// Listens on a port of 127.0.0.1. Port 0 selects a free port.
    ///
    /// # Errors
    ///
    /// Fails if the port is in use, or if the system provides no random numbers.
    pub fn bind(port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
            let help = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "use --port to choose another port, or --port 0 to use any free port"
                }
                _ => "use --port to choose another port",
            };
            anyhow!("cannot listen on 127.0.0.1:{port}: {error}\nhelp: {help}")
        })?;
        listener.set_nonblocking(true).context("cannot prepare the listener")?;
        let port = listener.local_addr().context("the listener has no address")?.port();
        Ok(Self { listener, guard: Guard::new(port)? })
    }

    /// Returns the URL of the page, which contains the token.
    #[must_use]
    pub fn url(&self) -> String {
        self.guard.url()
    }

    /// Serves pages until the program ends. The calling thread must belong to a Tokio runtime.
    ///
    /// # Errors
    ///
    /// Fails if the listener cannot be used.
    pub async fn serve(self, hub: Arc<Hub>, mode: Mode) -> io::Result<()> {
        let session = Session { hub, mode, streams: Arc::new(Semaphore::new(STREAMS_MAX)) };
        let app = routes(Arc::new(session), Arc::new(self.guard));
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        axum::serve(listener, app).await
    }
}

fn routes(session: Arc<Session>, guard: Arc<Guard>) -> Router {
    let guarded = Router::new()
        .route("/session", get(describe))
        .route("/stream", get(stream::stream))
        .route("/trace", get(download))
        .route("/clients", post(control::start).patch(control::change).delete(control::end))
        .route("/scenarios/{name}", post(control::scenario))
        .route("/clear", post(control::clear))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&guard), guard::check_token))
        .with_state(session);
    Router::new()
        .route("/", get(page::index))
        .route("/page/{name}", get(page::file))
        .merge(guarded)
        .fallback(|| async { Failure::not_found() })
        .method_not_allowed_fallback(|| async { Failure::method_not_allowed() })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(guard, guard::check_sender))
}

/// Returns the data that the page needs before it reads the stream.
async fn describe(State(session): State<Arc<Session>>) -> axum::Json<Value> {
    let (mode, scenarios) = match &session.mode {
        Mode::Live(_) => ("live", control::scenarios()),
        Mode::Replay => ("replay", Vec::new()),
    };
    axum::Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "mode": mode,
        "header": session.hub.header(),
        "scenarios": scenarios,
        "limits": { "clients": CLIENTS_MAX },
        "system": session.hub.header().system,
    }))
}

/// Returns the most recent lines as a complete trace.
async fn download(State(session): State<Arc<Session>>) -> Response {
    let hub = &session.hub;
    let json = |result: serde_json::Result<String>| result.expect("all keys are strings") + "\n";
    let mut trace = json(serde_json::to_string(hub.header()));
    trace.push_str(&hub.since(0).text);
    if let Mode::Live(_) = session.mode {
        trace.push_str(&json(serde_json::to_string(&Line::End { at_us: hub.now_us() })));
    }
    let headers = [
        (header::CONTENT_TYPE, "application/jsonl"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"trace.jsonl\""),
    ];
    (headers, trace).into_response()
}
