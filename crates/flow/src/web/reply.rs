//! The replies to requests that failed.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// The reply to a request that failed.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    error: String,
    help: String,
}

impl Failure {
    pub fn new(status: StatusCode, error: impl Into<String>, help: impl Into<String>) -> Self {
        Self { status, error: error.into(), help: help.into() }
    }

    /// The request contains an invalid value.
    pub fn invalid(error: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, help)
    }

    pub fn forbidden(error: &str, help: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, error, help)
    }

    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "there is no such page",
            "open the URL that `flow` printed",
        )
    }

    pub fn method_not_allowed() -> Self {
        let error = "this method is not supported";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, error, "use the page of `flow`")
    }
}

/// The request cannot be fulfilled at the moment. The error's text may contain a second line, which
/// starts with `help: `.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let text = format!("{error:#}");
        let (error, help) = text.split_once("\nhelp: ").unwrap_or((&text, ""));
        Self::new(StatusCode::CONFLICT, error, help)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.error, "help": self.help }))).into_response()
    }
}
