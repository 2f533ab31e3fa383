//! Reports the errors of clients.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::hub::Hub;
use crate::trace::Line;

/// The minimum time between two notes. When a server ends, all of its clients fail at once.
const INTERVAL: Duration = Duration::from_secs(1);

/// Pushes at most one [`Line::Note`] per second. Each note contains the number of omitted notes.
pub(super) struct Notes {
    hub: Arc<Hub>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: Option<Instant>,
    omitted: u64,
}

impl Notes {
    pub fn new(hub: Arc<Hub>) -> Self {
        Self { hub, state: Mutex::default() }
    }

    pub fn push(&self, message: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| last.elapsed() < INTERVAL) {
            state.omitted += 1;
            return;
        }
        let message = match std::mem::take(&mut state.omitted) {
            0 => message.to_owned(),
            omitted => format!("{message} (errors of other clients that are not shown: {omitted})"),
        };
        state.last = Some(Instant::now());
        self.hub.push([Line::Note { at_us: self.hub.now_us(), message }]);
    }
}
