//! The stream of lines to a page, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_lite::{Stream, stream};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time;

use crate::hub::Hub;

use super::Session;
use super::reply::Failure;

/// The length in bytes from which a message is complete, so that no further line is added. Each
/// message is created only after the previous message has been sent. Therefore, a page that does
/// not read its stream, for example in a suspended tab, needs no more memory than one message.
const MESSAGE_BYTES: usize = 1 << 20;

/// The minimum time between two messages. Without this interval, each event of a server's log would
/// be a message.
const INTERVAL: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
struct From {
    from: Option<u64>,
}

/// The position of a page in the stream.
struct Position {
    hub: Arc<Hub>,
    next: u64,
    changes: watch::Receiver<u64>,
    /// The message after `event: gap`.
    pending: Option<Event>,
    is_first: bool,
    _permit: OwnedSemaphorePermit,
}

/// Sends all lines, and continues with new lines. If lines that the page has not received were
/// dropped, the event `gap` contains the time of the last dropped line, and the next message begins
/// with the values of all servers, threads and connections that existed at this time. If the page
/// reconnects, the header `Last-Event-ID` contains the number of the next line.
pub(super) async fn stream(
    State(session): State<Arc<Session>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let Ok(Query(from)) = Query::<From>::try_from_uri(&uri) else {
        return Err(Failure::invalid("the request is not valid", "reload the page"));
    };
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let Ok(permit) = Arc::clone(&session.streams).try_acquire_owned() else {
        let error = "too many pages are open";
        return Err(Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            error,
            "close some of the pages",
        ));
    };
    let position = Position {
        hub: Arc::clone(&session.hub),
        next: last.or(from.from).unwrap_or_default(),
        changes: session.hub.subscribe(),
        pending: None,
        is_first: true,
        _permit: permit,
    };
    let events = stream::unfold(position, |mut position| async {
        let event = position.next_message().await?;
        Some((Ok(event), position))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

impl Position {
    /// Waits for new lines. Returns `None` when the hub is dropped.
    async fn next_message(&mut self) -> Option<Event> {
        if let Some(message) = self.pending.take() {
            return Some(message);
        }
        if !self.is_first {
            time::sleep(INTERVAL).await;
        }
        self.is_first = false;
        loop {
            self.changes.mark_unchanged();
            let batch = self.hub.batch(self.next, MESSAGE_BYTES);
            if !batch.text.is_empty() || batch.has_gap {
                self.next = batch.next;
                let message = Event::default().id(batch.next.to_string());
                let message = message.data(batch.text.trim_end());
                if !batch.has_gap {
                    return Some(message);
                }
                self.pending = Some(message);
                return Some(Event::default().event("gap").data(batch.begin_us.to_string()));
            }
            self.changes.changed().await.ok()?;
        }
    }
}
