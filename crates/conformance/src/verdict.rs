//! Verdicts, and the reasons why a check stops before its end.

use std::fmt::Display;
use std::io;

use harness::text::printable;

/// The verdict of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server behaved as the contract requires.
    Pass,
    /// The server violated the contract. The text states the expected and the actual behavior.
    Fail(String),
    /// The check cannot run with this server or on this system. The text states the reason.
    Skipped(String),
}

/// The reason why a check stops early.
#[derive(Debug)]
pub(crate) enum Stop {
    Fail(String),
    Skip(String),
}

pub(crate) type Outcome = Result<(), Stop>;

impl Stop {
    /// Escapes the message, because it may contain text from the server.
    pub fn fail(message: impl Display) -> Self {
        Self::Fail(printable(&message.to_string()))
    }

    /// Escapes the reason, because it may contain text from the server.
    pub fn skip(why: impl Display) -> Self {
        Self::Skip(printable(&why.to_string()))
    }
}

/// Adds the circumstances of a failure to the beginning of the failure's message.
pub(crate) trait Context {
    fn context(self, circumstances: impl Display) -> Self;
}

impl<T> Context for Result<T, Stop> {
    fn context(self, circumstances: impl Display) -> Self {
        self.map_err(|stop| match stop {
            Stop::Fail(message) => Stop::Fail(format!("{circumstances}: {message}")),
            Stop::Skip(_) => stop,
        })
    }
}

/// Converts an I/O error in the check itself into a failure, so that the check does not pass.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Fail(format!("the check itself failed: {error}"))
    }
}

impl From<Stop> for Verdict {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Fail(message) => Self::Fail(message),
            Stop::Skip(why) => Self::Skipped(why),
        }
    }
}

impl From<Outcome> for Verdict {
    fn from(outcome: Outcome) -> Self {
        outcome.map_or_else(Self::from, |()| Self::Pass)
    }
}

/// Makes a check fail with a message if a condition is false.
macro_rules! demand {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::verdict::Stop::fail(format!($($message)+)));
        }
    };
}
pub(crate) use demand;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_the_server_cannot_control_a_terminal() {
        let stop = Stop::fail("got \"\x1b[31m\u{9b}2J\u{202e}\"");
        let expected = "got \"\\u{1b}[31m\\u{9b}2J\\u{202e}\"";
        assert_eq!(Verdict::from(stop), Verdict::Fail(expected.to_owned()));
    }
}
