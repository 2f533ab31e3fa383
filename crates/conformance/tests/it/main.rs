//! Tests of the checks and of the program:
//!
//! - Every sibling passes every check.
//! - Each mutant fails the checks that must detect the mutant's bug.
//! - The program reports commands that it cannot check.

mod mutants;
mod program;
mod target;

use std::process::ExitCode;
use std::sync::{Condvar, Mutex, PoisonError};

use conformance::{ALL, Check, HEAVY_JOBS, LIGHT_JOBS, Target, Verdict};
use libtest_mimic::{Arguments, Failed, Trial};
use serve_core::Approach;

/// The light tests mostly wait, so many of them run concurrently.
static LIGHT: Jobs = Jobs::new(2 * LIGHT_JOBS);

/// The heavy tests run at the same time as the light tests. Some heavy tests wait for an incorrect
/// server, so the limit is one more than [`HEAVY_JOBS`].
static HEAVY: Jobs = Jobs::new(HEAVY_JOBS + 1);

fn main() -> ExitCode {
    if let Some(ended) = approaches::main_of_server() {
        return ended;
    }
    // The mutants start first, because the checks wait longest for incorrect servers.
    let mut trials = mutants::trials();
    trials.extend(program::trials());
    trials.extend(target::trials());
    let pairs =
        approaches::ALL.into_iter().flat_map(|approach| checks().map(move |it| (approach, it)));
    trials.extend(pairs.map(trial));
    let mut arguments = Arguments::from_args();
    // Each test has a thread, which waits until the test may run.
    arguments.test_threads = arguments.test_threads.or(Some(trials.len()));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Limits the number of tests of one kind that run at the same time.
struct Jobs {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Jobs {
    const fn new(count: usize) -> Self {
        Self { free: Mutex::new(count), freed: Condvar::new() }
    }

    /// Waits for a free job, and runs the test.
    fn run<T>(&self, test: impl FnOnce() -> T) -> T {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.freed.wait_while(free, |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        let _job = Job(self);
        test()
    }
}

/// A job of a running test. Dropping the value frees the job, even if the test panics.
struct Job<'j>(&'j Jobs);

impl Drop for Job<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

fn checks() -> impl Iterator<Item = &'static Check> {
    ALL.iter().copied().flatten()
}

fn trial((approach, check): (&'static Approach, &'static Check)) -> Trial {
    trial_of(check, format!("{}::{}", approach.name, check.id), move || {
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

/// Returns a trial that runs a check.
fn trial_of(
    check: &Check,
    name: String,
    test: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let jobs = if check.is_heavy() { &HEAVY } else { &LIGHT };
    Trial::test(name, || jobs.run(test))
}

/// Returns the trials for the tests of a module. A test fails if it panics.
fn trials(module: &str, tests: &[(&str, fn())]) -> Vec<Trial> {
    let trial = |&(name, test): &(&str, fn())| {
        Trial::test(format!("{module}::{name}"), move || -> Result<(), Failed> {
            LIGHT.run(test);
            Ok(())
        })
    };
    tests.iter().map(trial).collect()
}
