//! The definition of a check.

use crate::stage::Stage;
use crate::verdict::Outcome;

/// A check: one requirement of the contract, and a test of whether a server meets it.
#[derive(Debug)]
pub struct Check {
    /// The name of the check, as in `--only`.
    pub id: &'static str,
    /// The requirement, in one line.
    pub title: &'static str,
    /// The number of the clause in the contract.
    pub clause: u8,
    /// The actions of the test clients.
    pub stimulus: &'static str,
    /// The behavior of a correct server.
    pub expected: &'static str,
    /// The most likely cause of a failure, and how to fix it.
    pub hint: &'static str,
    pub(crate) run: Run,
}

/// The test of a check.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run {
    /// The test mostly waits, so that many such tests can run concurrently.
    Light(fn(&Stage) -> Outcome),
    /// The test measures something or needs many resources. Heavy checks run after all others.
    Heavy(fn(&Stage) -> Outcome),
}

impl Check {
    /// Returns whether the check measures something or needs many resources.
    #[must_use]
    pub fn is_heavy(&self) -> bool {
        matches!(self.run, Run::Heavy(_))
    }

    pub(crate) fn run(&self, stage: &Stage) -> Outcome {
        match self.run {
            Run::Light(test) | Run::Heavy(test) => test(stage),
        }
    }
}
