//! Checks and their verdicts.

use std::fmt::Display;
use std::io;

use crate::server::Stage;

/// A check: a promise of the contract, and a test whether a server keeps it.
#[derive(Debug)]
pub struct Check {
    /// The name of the check, as in `--only`.
    pub id: &'static str,
    /// The promise, in one line.
    pub title: &'static str,
    /// The number of the clause in the contract.
    pub clause: u8,
    /// The actions of the test clients.
    pub stimulus: &'static str,
    /// The behavior of a correct server.
    pub expected: &'static str,
    /// The most likely cause of a failure, and how to fix it.
    pub hint: &'static str,
    /// Whether the check measures something or needs a lot of resources. Heavy checks run after all
    /// others.
    pub is_heavy: bool,
    pub(crate) run: fn(&Stage<'_>) -> Outcome,
}

/// The verdict of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server behaved as the contract requires.
    Pass,
    /// The server behaved differently: the actual behavior.
    Fail(String),
    /// The check cannot run with this server or on this system: the reason.
    NotApplicable(String),
}

/// The reason why a check stops early.
#[derive(Debug)]
pub(crate) enum Stop {
    Fail(String),
    NotApplicable(String),
}

pub(crate) type Outcome = Result<(), Stop>;

impl Stop {
    pub(crate) fn fail(actual: impl Display) -> Self {
        Self::Fail(actual.to_string())
    }

    pub(crate) fn not_applicable(why: impl Display) -> Self {
        Self::NotApplicable(why.to_string())
    }
}

/// An error of the check itself is a failure, never a pass.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Fail(format!("the check itself failed: {error}"))
    }
}

impl From<Stop> for Verdict {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Fail(actual) => Self::Fail(actual),
            Stop::NotApplicable(why) => Self::NotApplicable(why),
        }
    }
}

impl From<Outcome> for Verdict {
    fn from(outcome: Outcome) -> Self {
        outcome.map_or_else(Self::from, |()| Self::Pass)
    }
}

/// Makes a check fail with a message unless a condition holds.
macro_rules! demand {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::check::Stop::fail(format!($($message)+)));
        }
    };
}
pub(crate) use demand;
