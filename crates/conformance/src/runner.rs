//! Runs checks. Checks that do not disturb each other run concurrently. Each check has a time
//! limit.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use harness::cleanup;

use crate::check::Check;
use crate::stage::{Stage, Start};
use crate::target::Target;
use crate::verdict::{Stop, Verdict};

/// The number of light checks that run concurrently. Light checks mostly wait.
pub const LIGHT_JOBS: usize = 16;

/// The number of heavy checks that run concurrently, which is the number of cores of a small
/// machine.
pub const HEAVY_JOBS: usize = 2;

/// The number of light checks that may still run when the heavy checks start. The slowest light
/// checks wait for several seconds, and they use almost no CPU time.
const LIGHT_BESIDE_HEAVY: usize = 4;

/// The time limit for a check. Every check takes less time than this limit, even if all time limits
/// within the check expire.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(90);

/// The time limit for a check to end after it has exceeded [`CHECK_TIMEOUT`] and its servers were
/// killed. A test waits until this limit expires, so the limit is lower in tests.
const ENDING_TIMEOUT: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 5 });

/// The result of one check on one target.
#[derive(Clone, Debug)]
pub struct Record {
    /// The index of the target in the list of targets.
    pub target: usize,
    /// The check.
    pub check: &'static Check,
    /// The verdict.
    pub verdict: Verdict,
    /// The duration of the check.
    pub took: Duration,
}

/// A callback that receives each record as soon as the record is complete. Any thread may call it.
pub type Progress<'a> = &'a (dyn Fn(&Record) + Sync);

/// A function that decides whether a check runs. The arguments are the index of the target and the
/// check. If the function returns `false`, the check is omitted. For example, an earlier verdict
/// may have made the check unnecessary.
pub type Filter<'a> = &'a (dyn Fn(usize, &Check) -> bool + Sync);

/// Starts a target once before the checks. If a target cannot start, the failure is reported early
/// and only once.
///
/// # Errors
///
/// Returns the reason why the target does not listen.
pub fn preflight(target: &Target) -> Result<(), String> {
    let started = on_stage(CHECK_TIMEOUT, target, |stage| {
        stage.write(b"preflight")?;
        stage.start(Start { is_first: true, ..Start::default() }).map(drop)
    });
    started.map_err(|(Stop::Fail(why) | Stop::Skip(why))| why)
}

/// Runs every check on every target. Returns the records in the order of the targets and checks.
#[must_use]
pub fn run(targets: &[Target], checks: &[&'static Check], progress: Progress<'_>) -> Vec<Record> {
    let of_target = |target| checks.iter().map(move |&check| (target, check));
    let pairs: Vec<_> = (0..targets.len()).flat_map(of_target).collect();
    run_pairs(targets, &pairs, 1, &|_, _| true, progress)
}

/// Runs the check of each pair on the target of the pair, unless the filter omits the check.
/// `factor` multiplies the number of checks that run concurrently. Returns the records in the order
/// of the pairs.
#[must_use]
pub fn run_pairs(
    targets: &[Target],
    pairs: &[(usize, &'static Check)],
    factor: usize,
    filter: Filter<'_>,
    progress: Progress<'_>,
) -> Vec<Record> {
    let (heavy, light): (Vec<_>, Vec<_>) = pairs.iter().partition(|(_, check)| check.is_heavy());
    let (unfinished, has_finished) = (Mutex::new(light.len()), Condvar::new());
    let lock = || unfinished.lock().unwrap_or_else(PoisonError::into_inner);
    let run_light = |pair| {
        let record = run_pair(targets, pair, filter, progress);
        *lock() -= 1;
        has_finished.notify_all();
        record
    };
    let run_heavy = |pair| {
        drop(has_finished.wait_while(lock(), |unfinished| *unfinished > LIGHT_BESIDE_HEAVY));
        run_pair(targets, pair, filter, progress)
    };
    let mut records = Vec::new();
    thread::scope(|scope| {
        let light = scope.spawn(|| run_concurrently(&light, factor * LIGHT_JOBS, &run_light));
        records.extend(run_concurrently(&heavy, factor * HEAVY_JOBS, &run_heavy));
        records.extend(light.join().expect("a check's panic is caught"));
    });
    records.sort_by_key(|record| {
        let is_same = |(target, check): &(usize, &Check)| {
            *target == record.target && check.id == record.check.id
        };
        pairs.iter().position(is_same)
    });
    records
}

/// Runs the check of a pair, unless the filter omits it.
fn run_pair(
    targets: &[Target],
    (target, check): (usize, &'static Check),
    filter: Filter<'_>,
    progress: Progress<'_>,
) -> Option<Record> {
    if !filter(target, check) {
        return None;
    }
    let started = Instant::now();
    let verdict = run_one(&targets[target], check);
    let record = Record { target, check, verdict, took: started.elapsed() };
    progress(&record);
    Some(record)
}

fn run_concurrently<T: Copy + Sync>(
    pairs: &[T],
    jobs: usize,
    run: &(dyn Fn(T) -> Option<Record> + Sync),
) -> Vec<Record> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut records = Vec::new();
        while let Some(&pair) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
            records.extend(run(pair));
        }
        records
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.min(pairs.len())).map(|_| scope.spawn(work)).collect();
        let records = workers.into_iter().map(|worker| worker.join());
        records.flat_map(|records| records.expect("a check's panic is caught")).collect()
    })
}

/// Runs one check on one target.
#[must_use]
pub fn run_one(target: &Target, check: &'static Check) -> Verdict {
    on_stage(CHECK_TIMEOUT, target, |stage| check.run(stage)).into()
}

/// Runs a function with a new stage and a time limit. Fails if the time limit expires.
pub fn on_stage<T: Send + 'static>(
    timeout: Duration,
    target: &Target,
    run: impl FnOnce(&Stage) -> Result<T, Stop> + Send + 'static,
) -> Result<T, Stop> {
    cleanup::raise_descriptor_limit();
    let stage = Arc::new(Stage::new(target)?);
    let (sender, receiver) = mpsc::channel();
    let shared = Arc::clone(&stage);
    thread::spawn(move || {
        let result = panic::catch_unwind(AssertUnwindSafe(|| run(&shared)));
        let result = result.unwrap_or_else(|_| Err(Stop::fail("the check itself panicked")));
        let result = result.map_err(|stop| with_explanation(stop, &shared));
        drop(shared);
        let _ = sender.send(result);
    });
    receiver.recv_timeout(timeout).unwrap_or_else(|_| {
        stage.close();
        let _ = receiver.recv_timeout(ENDING_TIMEOUT);
        Err(Stop::fail(format!("no verdict within {} s", timeout.as_secs())))
    })
}

/// Adds an explanation to a failure. The explanation is a description of the server's exit or a
/// line of the server's stderr.
fn with_explanation(stop: Stop, stage: &Stage) -> Stop {
    match (stop, stage.explanation()) {
        (Stop::Fail(message), Some(why)) if !message.contains(&why) => {
            Stop::fail(format!("{message}; {why}"))
        }
        (stop, _) => stop,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn a_check_that_exceeds_its_time_limit_leaves_nothing_behind() {
        let pids = tempfile::NamedTempFile::new().unwrap();
        let script = format!("echo $$ >> {}; sleep 600 & wait", pids.path().display());
        let words = ["sh", "-c", &script, "{file}", "{port}"].map(str::to_owned);
        let target = Target::of_command(&words).unwrap();
        let (sender, receiver) = mpsc::channel();
        let verdict = on_stage(Duration::from_secs(1), &target, move |stage| {
            let _ = sender.send(stage.file());
            // The server does not listen, so this call waits. The check ignores the error that the
            // call returns.
            let _ = stage.serve(b"");
            thread::sleep(ENDING_TIMEOUT / 2);
            let _ = stage.write(b"");
            let _ = stage.start(Start::default());
            // The check continues even after `ENDING_TIMEOUT` has expired.
            thread::sleep(ENDING_TIMEOUT * 2);
            Ok(())
        });
        assert!(matches!(verdict, Err(Stop::Fail(why)) if why == "no verdict within 1 s"));
        assert!(!receiver.recv().unwrap().parent().unwrap().exists());
        let pids = fs::read_to_string(pids.path()).unwrap();
        assert_eq!(pids.lines().count(), 1);
        assert!(!Path::new("/proc").join(pids.trim()).exists());
    }
}
