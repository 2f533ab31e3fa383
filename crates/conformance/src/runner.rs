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

/// One verdict.
#[derive(Clone, Debug)]
pub struct Record {
    /// Which of the targets, by its place in the list.
    pub target: usize,
    /// What was checked.
    pub check: &'static Check,
    /// What came of it.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
}

/// Who is told of each verdict as it comes, from any thread.
pub type Progress<'a> = &'a (dyn Fn(&Record) + Sync);

/// Who is asked before a check is started on a target, by its place in the list: what came of others
/// may have made it superfluous.
pub type Wanted<'a> = &'a (dyn Fn(usize, &Check) -> bool + Sync);

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
        Err(Stop::Fell(why) | Stop::NotApplicable(why)) => Err(why),
    }
}

/// Runs checks on targets; the records come back in the order of targets and checks.
#[must_use]
pub fn run(targets: &[Target], checks: &[&'static Check], progress: Progress<'_>) -> Vec<Record> {
    let of_target = |target| checks.iter().map(move |&check| (target, check));
    let pairs: Vec<_> = (0..targets.len()).flat_map(of_target).collect();
    run_pairs(targets, &pairs, &|_, _| true, progress)
}

/// Runs on each target checks of its own, as long as they are wanted; the records come back in the
/// order of the pairs.
#[must_use]
pub fn run_pairs(
    targets: &[Target],
    pairs: &[(usize, &'static Check)],
    is_wanted: Wanted<'_>,
    progress: Progress<'_>,
) -> Vec<Record> {
    let (heavy, light): (Vec<_>, Vec<_>) = pairs.iter().partition(|(_, check)| check.is_heavy);
    let mut records = run_side_by_side(targets, &light, JOBS, is_wanted, progress);
    records.extend(run_side_by_side(targets, &heavy, HEAVY_JOBS, is_wanted, progress));
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
    is_wanted: Wanted<'_>,
    progress: Progress<'_>,
) -> Vec<Record> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut records = Vec::new();
        while let Some(&(target, check)) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !is_wanted(target, check) {
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
    let (tell, told) = mpsc::channel();
    let target = target.clone();
    // Of a thread that is left behind, `kill_all` ends the server.
    thread::spawn(move || {
        let on_stage = || {
            let stage = Stage::new(&target)?;
            act(&stage).map_err(|stop| with_last_words(stop, &stage))
        };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(on_stage));
        let _ = tell.send(outcome.unwrap_or_else(|_| Err(Stop::fell("the check itself panicked"))));
    });
    let late = |_| Stop::fell(format!("no verdict within {} s", CHECK_TIMEOUT.as_secs()));
    told.recv_timeout(CHECK_TIMEOUT).map_err(late)?
}

/// What came is seldom the whole story if the server died of it, or said something.
fn with_last_words(stop: Stop, stage: &Stage<'_>) -> Stop {
    match stop {
        Stop::Fell(what) => match stage.last_words() {
            Some(words) if !what.contains(&words) => Stop::fell(format!("{what}; {words}")),
            _ => Stop::Fell(what),
        },
        stop => stop,
    }
}
