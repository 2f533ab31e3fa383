//! The definition of a check.

use crate::stage::Stage;
use crate::verdict::Outcome;

/// One requirement of the contract, and a function that tests whether a server meets the
/// requirement.
#[derive(Debug)]
pub struct Check {
    /// The name of the check, which `--only` accepts.
    pub id: &'static str,
    /// A title that states the requirement in one line.
    pub title: &'static str,
    /// The number of the contract's clause that states the requirement.
    pub clause: u8,
    /// The settings of the server and the actions of the test clients.
    pub stimulus: &'static str,
    /// The behavior of a correct server.
    pub expected: &'static str,
    /// The most likely cause of a failure, and how to fix it.
    pub hint: &'static str,
    pub(crate) run: Run,
}

/// The function that runs a check.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run {
    /// A function that mostly waits. Many light checks can run concurrently.
    Light(fn(&Stage) -> Outcome),
    /// A function that measures something or needs many resources. Heavy checks run after almost
    /// all light checks.
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
