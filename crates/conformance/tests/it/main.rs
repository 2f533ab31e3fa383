//! Tests of the checks and of the program:
//!
//! - Every sibling passes every check.
//! - Each mutant fails the checks that must detect the mutant's bug.
//! - The program reports commands that it cannot check.

mod mutants;
mod program;
mod target;

use std::process::ExitCode;

use conformance::{ALL, Check, HEAVY_JOBS, LIGHT_JOBS, Target, Verdict};
use libtest_mimic::{Arguments, Failed, Trial};
use serve_core::Approach;

fn main() -> ExitCode {
    if let Some(ended) = approaches::main_of_server() {
        return ended;
    }
    let (heavy, light): (Vec<_>, Vec<_>) = approaches::ALL
        .into_iter()
        .flat_map(|approach| checks().map(move |check| (approach, check)))
        .partition(|(_, check)| check.is_heavy());
    // The mutants start first, because the checks wait longest for incorrect servers.
    let (mut light_trials, heavy_mutants) = mutants::trials();
    light_trials.extend(program::trials());
    light_trials.extend(target::trials());
    light_trials.extend(light.into_iter().map(trial));
    let mut heavy_trials: Vec<Trial> = heavy.into_iter().map(trial).collect();
    heavy_trials.extend(heavy_mutants);

    let mut arguments = Arguments::from_args();
    // The light tests mostly wait, so many of them run concurrently.
    arguments.test_threads = arguments.test_threads.or(Some(2 * LIGHT_JOBS));
    let light = libtest_mimic::run(&arguments, light_trials);
    arguments.test_threads = Some(HEAVY_JOBS);
    let heavy = libtest_mimic::run(&arguments, heavy_trials);
    if light.has_failed() { light.exit_code() } else { heavy.exit_code() }
}

fn checks() -> impl Iterator<Item = &'static Check> {
    ALL.iter().copied().flatten()
}

fn trial((approach, check): (&'static Approach, &'static Check)) -> Trial {
    Trial::test(format!("{}::{}", approach.name, check.id), move || {
        let target = Target::of_approach(approach, &[])?;
        match conformance::run_one(&target, check) {
            Verdict::Pass => Ok(()),
            Verdict::Fail(actual) => Err(actual.into()),
            // On Linux, every check is applicable.
            Verdict::Skipped(why) if cfg!(target_os = "linux") => Err(why.into()),
            Verdict::Skipped(_) => Ok(()),
        }
    })
}

/// Returns the trials for the tests of a module. A test fails if it panics.
fn trials(module: &str, tests: &[(&str, fn())]) -> Vec<Trial> {
    let trial = |&(name, test): &(&str, fn())| {
        Trial::test(format!("{module}::{name}"), move || -> Result<(), Failed> {
            test();
            Ok(())
        })
    };
    tests.iter().map(trial).collect()
}
