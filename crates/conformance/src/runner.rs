//! Runs checks: side by side where they do not disturb each other, each with a deadline.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::check::{Check, Stop, Verdict};
use crate::server::{Stage, Start};
use crate::system;
use crate::target::Target;

/// How many checks run at the same time. Most of what they do is to wait.
const JOBS: usize = 8;

/// How many of those that measure, or use much: as many as the smallest machine has cores.
pub const HEAVY_JOBS: usize = 2;

/// Longer than any check takes, all its own deadlines together.
const CHECK_TIMEOUT: Duration = Duration::from_secs(90);

/// The result of one check on one target.
#[derive(Clone, Debug)]
pub struct Record {
    /// The index of the target in the list.
    pub target: usize,
    /// The check.
    pub check: &'static Check,
    /// The verdict.
    pub verdict: Verdict,
    /// The duration of the check.
    pub took: Duration,
}

/// A callback that receives each record as soon as it is known, on any thread.
pub type Progress<'a> = &'a (dyn Fn(&Record) + Sync);

/// A predicate that is called before a check starts, with the index of the target and the check. If
/// it returns `false`, the check is left out: an earlier verdict may have made it superfluous.
pub type Filter<'a> = &'a (dyn Fn(usize, &Check) -> bool + Sync);

/// Starts a target once, so that one that cannot start at all is said once, and soon.
///
/// # Errors
///
/// Why it does not listen.
pub fn preflight(target: &Target) -> Result<(), String> {
    let outcome = Stage::new(target).map_err(Stop::from).and_then(|stage| {
        stage.write(b"preflight")?;
        let timeout = target.start_timeout;
        stage.start(Start { timeout, ..Start::default() }).map(drop)
    });
    match outcome {
        Ok(()) => Ok(()),
        Err(Stop::Fail(why) | Stop::NotApplicable(why)) => Err(why),
    }
}

/// Runs checks on targets; the records come back in the order of targets and checks.
#[must_use]
pub fn run(targets: &[Target], checks: &[&'static Check], progress: Progress<'_>) -> Vec<Record> {
    let of_target = |target| checks.iter().map(move |&check| (target, check));
    let pairs: Vec<_> = (0..targets.len()).flat_map(of_target).collect();
    run_pairs(targets, &pairs, &|_, _| true, progress)
}

/// Runs pairs of a target and a check, except those that the filter leaves out. Returns the records
/// in the order of the pairs.
#[must_use]
pub fn run_pairs(
    targets: &[Target],
    pairs: &[(usize, &'static Check)],
    filter: Filter<'_>,
    progress: Progress<'_>,
) -> Vec<Record> {
    let (heavy, light): (Vec<_>, Vec<_>) = pairs.iter().partition(|(_, check)| check.is_heavy);
    let mut records = run_side_by_side(targets, &light, JOBS, filter, progress);
    records.extend(run_side_by_side(targets, &heavy, HEAVY_JOBS, filter, progress));
    records.sort_by_key(|record| {
        let is_it = |(target, check): &(usize, &Check)| {
            *target == record.target && check.id == record.check.id
        };
        pairs.iter().position(is_it)
    });
    records
}

fn run_side_by_side(
    targets: &[Target],
    pairs: &[(usize, &'static Check)],
    jobs: usize,
    filter: Filter<'_>,
    progress: Progress<'_>,
) -> Vec<Record> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut records = Vec::new();
        while let Some(&(target, check)) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !filter(target, check) {
                continue;
            }
            let started = Instant::now();
            let verdict = run_one(&targets[target], check);
            let record = Record { target, check, verdict, took: started.elapsed() };
            progress(&record);
            records.push(record);
        }
        records
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.min(pairs.len())).map(|_| scope.spawn(work)).collect();
        let records = workers.into_iter().map(|worker| worker.join());
        records.flat_map(|records| records.expect("a worker catches its checks' panics")).collect()
    })
}

/// Runs one check on one target.
#[must_use]
pub fn run_one(target: &Target, check: &'static Check) -> Verdict {
    on_stage(target, check.run).into()
}

/// Does something with a target on a stage of its own, with a deadline.
pub(crate) fn on_stage<T: Send + 'static>(
    target: &Target,
    act: impl FnOnce(&Stage<'_>) -> Result<T, Stop> + Send + 'static,
) -> Result<T, Stop> {
    system::raise_descriptor_limit();
    let (sender, receiver) = mpsc::channel();
    let target = target.clone();
    // Of a thread that is left behind, `kill_all` ends the server.
    thread::spawn(move || {
        let on_stage = || {
            let stage = Stage::new(&target)?;
            act(&stage).map_err(|stop| with_last_words(stop, &stage))
        };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(on_stage));
        let _ =
            sender.send(outcome.unwrap_or_else(|_| Err(Stop::fail("the check itself panicked"))));
    });
    let late = |_| Stop::fail(format!("no verdict within {} s", CHECK_TIMEOUT.as_secs()));
    receiver.recv_timeout(CHECK_TIMEOUT).map_err(late)?
}

/// Adds to a failure how the server's process ended, or the last line of its stderr.
fn with_last_words(stop: Stop, stage: &Stage<'_>) -> Stop {
    match stop {
        Stop::Fail(actual) => match stage.last_words() {
            Some(words) if !actual.contains(&words) => Stop::fail(format!("{actual}; {words}")),
            _ => Stop::Fail(actual),
        },
        stop => stop,
    }
}
