//! Every check against every sibling, each a test with its own name; the zoo; and the program itself,
//! with commands that cannot be judged.

mod program;
#[cfg(target_os = "linux")]
mod zoo;

use std::process::ExitCode;

use conformance::{ALL, Check, Target, Verdict};
use libtest_mimic::{Arguments, Trial};
use serve_core::Approach;

fn main() -> ExitCode {
    if let Some(ended) = approaches::main_of_server() {
        return ended;
    }
    let (alone, mut beside): (Vec<_>, Vec<_>) = approaches::ALL
        .into_iter()
        .flat_map(|approach| checks().map(move |check| (approach, check)))
        .partition(|(_, check)| check.alone);
    // The long ones first, so that nothing waits for them at the end.
    beside.sort_by_key(|(_, check)| check.id != "idle-let-go");
    let mut beside: Vec<Trial> = beside.into_iter().map(trial).collect();
    let mut alone: Vec<Trial> = alone.into_iter().map(trial).collect();
    beside.extend(program::trials());
    // Elsewhere too little can be asked to tell right from wrong.
    #[cfg(target_os = "linux")]
    {
        let (beside_too, alone_too) = zoo::trials();
        beside.extend(beside_too);
        alone.extend(alone_too);
    }

    let mut arguments = Arguments::from_args();
    // Most of what the tests do is to wait.
    arguments.test_threads = arguments.test_threads.or(Some(8));
    let first = libtest_mimic::run(&arguments, beside);
    // Those that measure, or use much, run one after the other.
    arguments.test_threads = Some(1);
    let second = libtest_mimic::run(&arguments, alone);
    if first.has_failed() { first.exit_code() } else { second.exit_code() }
}

fn checks() -> impl Iterator<Item = &'static Check> {
    ALL.iter().copied().flatten()
}

fn trial((approach, check): (&'static Approach, &'static Check)) -> Trial {
    Trial::test(format!("{}::{}", approach.name, check.id), move || {
        let target = Target::of_approach(approach, &[])?;
        match conformance::run_one(&target, check) {
            Verdict::Held => Ok(()),
            Verdict::Fell(came) => Err(came.into()),
            // Linux can be asked everything.
            Verdict::NotApplicable(why) if cfg!(target_os = "linux") => Err(why.into()),
            Verdict::NotApplicable(_) => Ok(()),
        }
    })
}
