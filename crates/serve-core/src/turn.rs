//! How long a task may go on before others have a turn.

use std::time::{Duration, Instant};

/// Long enough that giving way costs nothing to speak of, short enough that nobody notices.
const TURN: Duration = Duration::from_millis(1);

/// A task's turn on its executor's thread. A client that takes every chunk at once never makes its
/// task wait, so the task has to give way by itself, or nobody else would run on that thread.
#[derive(Debug)]
pub struct Turn {
    began: Instant,
}

impl Turn {
    /// Begins now.
    #[must_use]
    pub fn new() -> Self {
        Self { began: Instant::now() }
    }

    // ANCHOR: turn
    /// Whether it is time to give way; then the next turn begins.
    #[must_use]
    pub fn is_over(&mut self) -> bool {
        let now = Instant::now();
        let is_over = now.duration_since(self.began) >= TURN;
        if is_over {
            self.began = now;
        }
        is_over
    }
    // ANCHOR_END: turn
}

impl Default for Turn {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_over_once() {
        let mut turn = Turn::new();
        turn.began -= TURN;
        assert!(turn.is_over());
        turn.began = Instant::now() + TURN;
        assert!(!turn.is_over());
    }
}
