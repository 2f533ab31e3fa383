//! The definition of a check.

use crate::stage::Stage;
use crate::verdict::Outcome;

/// One requirement of the contract, and a test of whether a server meets that requirement.
#[derive(Debug)]
pub struct Check {
    /// The name of the check, which `--only` accepts.
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
    /// A test that mostly waits. Many light checks can run concurrently.
    Light(fn(&Stage) -> Outcome),
    /// A test that measures something or needs many resources. Heavy checks run after all light
    /// checks.
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
