//! The requests of the page that start, change and end clients.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::clients::{CLIENTS_MAX, Clients};
use crate::scenarios::{self, Scenarios};
use crate::servers::Servers;
use crate::trace::Settings;

use super::reply::Failure;
use super::{Mode, Session};

/// The parts of a session that the page controls.
#[derive(Clone)]
pub struct Control {
    /// The servers that the clients connect to.
    pub servers: Servers,
    /// The clients.
    pub clients: Clients,
    /// The scenarios, which start clients.
    pub scenarios: Scenarios,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    /// The number of clients per server.
    count: usize,
    /// The indexes of the servers. If the field is missing, the clients connect to all servers.
    /// Servers that do not run are ignored.
    servers: Option<Vec<usize>>,
    #[serde(default)]
    settings: Settings,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// The numbers of the connections. If the field is missing, the request changes all clients.
    connections: Option<Vec<u32>>,
    /// See [`Settings::speed`].
    speed: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    /// The numbers of the connections. If the field is missing, the request ends all clients.
    connections: Option<Vec<u32>>,
}

/// Returns the names and descriptions of all scenarios.
pub(super) fn scenarios() -> Vec<Value> {
    let describe = |scenario: &scenarios::Scenario| {
        json!({
            "name": scenario.name,
            "title": scenario.title,
            "description": scenario.description,
        })
    };
    scenarios::ALL.iter().map(describe).collect()
}

/// Starts clients. If the clients of any server cannot be started, starts no clients.
pub(super) async fn start(
    State(session): State<Arc<Session>>,
    body: Bytes,
) -> Result<Json<Value>, Failure> {
    let control = control(&session)?;
    let start: Start = parse(&body)?;
    if !(1..=CLIENTS_MAX).contains(&start.count) {
        let error = format!("expected a count of 1 to {CLIENTS_MAX}, got {}", start.count);
        return Err(Failure::invalid(error, "change the number of clients"));
    }
    let count = control.servers.len();
    let mut servers = start.servers.unwrap_or_else(|| (0..count).collect());
    servers.sort_unstable();
    servers.dedup();
    // The sequential server runs only during its scenario, and other servers may have ended.
    servers.retain(|&server| server >= count || control.servers.addr(server).is_some());
    if servers.is_empty() {
        let help = "choose another server, or start a scenario to restart the servers";
        return Err(Failure::new(StatusCode::CONFLICT, "no chosen server is running", help));
    }
    let mut connections = Vec::new();
    for server in servers {
        match control.clients.start(server, start.count, &start.settings) {
            Ok(numbers) => connections.extend(numbers),
            Err(error) => {
                control.clients.end(Some(&connections));
                return Err(error.into());
            }
        }
    }
    Ok(Json(json!({ "connections": connections })))
}

/// Changes the read rate of clients. Returns the number of changed clients.
pub(super) async fn change(
    State(session): State<Arc<Session>>,
    body: Bytes,
) -> Result<Json<Value>, Failure> {
    let control = control(&session)?;
    let change: Change = parse(&body)?;
    let count = control.clients.change(change.connections.as_deref(), change.speed);
    Ok(Json(json!({ "count": count })))
}

/// Ends clients. Returns the number of ended clients.
pub(super) async fn end(
    State(session): State<Arc<Session>>,
    body: Bytes,
) -> Result<Json<Value>, Failure> {
    let control = control(&session)?;
    let end = if body.is_empty() { End::default() } else { parse(&body)? };
    let count = control.clients.end(end.connections.as_deref());
    Ok(Json(json!({ "count": count })))
}

/// Starts a scenario.
pub(super) async fn scenario(
    State(session): State<Arc<Session>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    control(&session)?.scenarios.start(&name)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends the scenario and all clients.
pub(super) async fn clear(State(session): State<Arc<Session>>) -> Result<StatusCode, Failure> {
    let control = control(&session)?;
    control.scenarios.cancel();
    control.clients.end(None);
    Ok(StatusCode::NO_CONTENT)
}

fn control(session: &Session) -> Result<&Control, Failure> {
    match &session.mode {
        Mode::Live(control) => Ok(control),
        Mode::Replay => {
            let help = "run `flow` without `replay` to start clients";
            Err(Failure::new(StatusCode::CONFLICT, "the page replays a trace", help))
        }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::invalid(format!("the request is not valid: {error}"), "reload the page")
    })
}
