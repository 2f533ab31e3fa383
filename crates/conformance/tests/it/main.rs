//! Every check against every sibling, each a test with its own name: what the checks call held must
//! hold, and what they cannot ask must have its reason.

use std::process::ExitCode;

use conformance::{ALL, Target, Verdict};
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if let Some(ended) = approaches::main_of_server() {
        return ended;
    }
    let mut arguments = Arguments::from_args();
    // Most of what the tests do is to wait.
    arguments.test_threads = arguments.test_threads.or(Some(8));
    let mut trials = Vec::new();
    for approach in approaches::ALL {
        for check in ALL.iter().copied().flatten() {
            trials.push(Trial::test(format!("{}::{}", approach.name, check.id), || {
                let target = Target::of_approach(approach, &[])?;
                match conformance::run_one(&target, check) {
                    Verdict::Held => Ok(()),
                    Verdict::Fell(came) => Err(came.into()),
                    Verdict::NotApplicable(why) if cfg!(target_os = "linux") => Err(why.into()),
                    Verdict::NotApplicable(_) => Ok(()),
                }
            }));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
