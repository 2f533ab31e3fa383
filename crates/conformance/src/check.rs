//! What a check is, and what it can say.

use std::fmt::Display;
use std::io;

use crate::server::Stage;

/// One thing that the contract promises, and how to find out.
#[derive(Debug)]
pub struct Check {
    /// Its name in `--only`.
    pub id: &'static str,
    /// What has to hold, in one line.
    pub title: &'static str,
    /// The clause of the contract.
    pub clause: u8,
    /// What is done to the server.
    pub stimulus: &'static str,
    /// What a right server does.
    pub expected: &'static str,
    /// What is probably wrong, and the way out.
    pub hint: &'static str,
    /// Whether it measures, or uses much: then it runs when the others are done.
    pub is_heavy: bool,
    pub(crate) run: fn(&Stage<'_>) -> Outcome,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The contract held.
    Held,
    /// It did not: this is what came.
    Fell(String),
    /// It cannot be asked of this server or on this system, for this reason.
    NotApplicable(String),
}

/// How a check ends before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    Fell(String),
    NotApplicable(String),
}

pub(crate) type Outcome = Result<(), Stop>;

impl Stop {
    pub(crate) fn fell(what: impl Display) -> Self {
        Self::Fell(what.to_string())
    }

    pub(crate) fn not_applicable(why: impl Display) -> Self {
        Self::NotApplicable(why.to_string())
    }
}

/// What goes wrong on our side is a failure too: never a pass.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Fell(format!("the check itself failed: {error}"))
    }
}

impl From<Stop> for Verdict {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Fell(what) => Self::Fell(what),
            Stop::NotApplicable(why) => Self::NotApplicable(why),
        }
    }
}

impl From<Outcome> for Verdict {
    fn from(outcome: Outcome) -> Self {
        outcome.map_or_else(Self::from, |()| Self::Held)
    }
}

/// Fails with words unless a condition holds.
macro_rules! demand {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err($crate::check::Stop::fell(format!($($words)+)));
        }
    };
}
pub(crate) use demand;
