//! Reads the states of a server's threads and its resource usage.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use harness::usage;

use crate::trace::{Line, Thread, ThreadState, Usage};

/// The maximum number of threads per server.
const MAX_THREADS: usize = 2_500;

/// The maximum length of the files that describe a thread, in bytes.
const FILE_BYTES: usize = 256;

/// The number of times that a thread's name is read again after the thread has run. A thread usually
/// sets its name when it starts.
const NAME_READS: u8 = 3;

/// The threads of a server, and their values in the previous sample.
#[derive(Debug, Default)]
pub struct Threads {
    pids: Vec<u32>,
    known: HashMap<u32, Known>,
    /// The CPU time of threads that have ended, in nanoseconds.
    ended_cpu_ns: u64,
    last_at_us: u64,
    usage: Usage,
    /// The reason why this program cannot read the system calls of the threads.
    problem: Option<String>,
    /// The number of samples, which marks the threads that still exist.
    samples: u64,
}

/// A thread in the previous sample.
#[derive(Debug, Default)]
struct Known {
    name: String,
    name_reads: u8,
    reported: Option<(ThreadState, Option<i64>)>,
    scheduled: Scheduled,
    sample: u64,
}

/// The content of a thread's `schedstat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Scheduled {
    cpu_ns: u64,
    /// The time for which the thread waited for a core.
    wait_ns: u64,
    /// The number of times that the thread got a core.
    runs: u64,
}

impl Threads {
    /// Returns the threads and the values of the usage that have changed since the previous sample.
    pub fn sample(&mut self, server: usize, pids: &[u32], at_us: u64) -> Vec<Line> {
        self.samples += 1;
        let is_restarted = !pids.iter().any(|pid| self.pids.contains(pid));
        pids.clone_into(&mut self.pids);
        let interval_ns = at_us.saturating_sub(self.last_at_us).saturating_mul(1_000);
        self.last_at_us = at_us;
        let mut lines = Vec::new();
        let mut count = 0;
        for task in pids.iter().flat_map(|pid| tasks(*pid)) {
            count += 1;
            if count <= MAX_THREADS as u64 {
                let change = self.sample_thread(&task, interval_ns);
                lines.extend(change.map(|change| Line::Thread(Thread { at_us, server, ..change })));
            }
        }
        lines.extend(self.remove_ended().into_iter().map(|thread| {
            let state = ThreadState::Ended;
            Line::Thread(Thread { at_us, server, thread, name: None, state, call: None })
        }));
        if is_restarted {
            // The threads of the previous process do not count.
            self.ended_cpu_ns = 0;
            self.usage = Usage::default();
        }
        if !pids.is_empty() {
            let usage = self.usage(pids, count);
            lines.extend(usage.map(|usage| Line::Usage(Usage { at_us, server, ..usage })));
        }
        lines
    }

    /// Returns the reason why this program cannot read the system calls of the threads. Returns the
    /// reason only once.
    pub fn take_problem(&mut self) -> Option<String> {
        self.problem.take()
    }

    fn sample_thread(&mut self, task: &Path, interval_ns: u64) -> Option<Thread> {
        let thread = task.file_name()?.to_str()?.parse().ok()?;
        let known = self.known.entry(thread).or_default();
        known.sample = self.samples;
        let scheduled = scheduled(task).unwrap_or_default();
        let is_blocked = matches!(known.reported, Some((ThreadState::Blocked, _)));
        // `schedstat` is read before the system call. Therefore, a blocked thread that has not run
        // since then is blocked in the same call.
        if is_blocked && scheduled == known.scheduled && scheduled.runs > 0 {
            return None;
        }
        let cpu_ns = scheduled.cpu_ns.saturating_sub(known.scheduled.cpu_ns);
        let wait_ns = scheduled.wait_ns.saturating_sub(known.scheduled.wait_ns);
        known.scheduled = scheduled;
        let call = match blocked_call(task) {
            Ok(call) => call,
            Err(error) => {
                if error.kind() == io::ErrorKind::PermissionDenied {
                    self.problem.get_or_insert_with(|| error.to_string());
                }
                None
            }
        };
        let reported = match call {
            Some(_) if cpu_ns > interval_ns / 2 => (ThreadState::Running, None),
            Some(number) => (ThreadState::Blocked, Some(number)),
            None if wait_ns > cpu_ns => (ThreadState::Runnable, None),
            None => (ThreadState::Running, None),
        };
        let name = known.read_name(task);
        let is_change = known.reported != Some(reported) || name.is_some();
        known.reported = Some(reported);
        let call = reported.1.filter(|number| *number >= 0).map(usage::call_name);
        is_change.then_some(Thread { at_us: 0, server: 0, thread, name, state: reported.0, call })
    }

    /// Removes the threads that this sample did not find, and returns their ids.
    fn remove_ended(&mut self) -> Vec<u32> {
        let is_ended = |known: &Known| known.sample != self.samples;
        let ended = self.known.iter().filter(|(_, known)| is_ended(known));
        let ended: Vec<u32> = ended.map(|(thread, _)| *thread).collect();
        for thread in &ended {
            let known = self.known.remove(thread);
            self.ended_cpu_ns += known.map_or(0, |known| known.scheduled.cpu_ns);
        }
        ended
    }

    fn usage(&mut self, pids: &[u32], threads: u64) -> Option<Usage> {
        fn change(last: &mut Option<u64>, new: Option<u64>) -> Option<u64> {
            let new = new.filter(|value| *last != Some(*value))?;
            *last = Some(new);
            Some(new)
        }
        // The kernel counts the time of all threads in units of 10 ms. The sum of all known threads
        // is more precise, but it lacks threads that start and end between two samples.
        let of_threads = self.known.values().map(|known| known.scheduled.cpu_ns).sum::<u64>();
        let of_threads = (self.ended_cpu_ns + of_threads) / 1_000;
        let total = usage::total_cpu_time(pids).map(|time| time.as_micros() as u64);
        let cpu_us = total.map(|total| total.max(of_threads)).max(self.usage.cpu_us);
        let last = &mut self.usage;
        let changes = Usage {
            threads: change(&mut last.threads, (threads > 0).then_some(threads)),
            memory_bytes: change(&mut last.memory_bytes, usage::anonymous_memory_bytes(pids)),
            descriptors: change(&mut last.descriptors, usage::descriptors(pids)),
            // Every line contains the CPU time, so that the difference between two lines is the use
            // during one sample.
            cpu_us,
            ..Usage::default()
        };
        last.cpu_us = cpu_us;
        (changes != Usage::default()).then_some(changes)
    }
}

impl Known {
    /// Returns the thread's name if it is new. The name of a main thread is `main`, because the
    /// system gives it the name of the program.
    fn read_name(&mut self, task: &Path) -> Option<String> {
        if self.name_reads >= NAME_READS {
            return None;
        }
        self.name_reads += 1;
        let mut buffer = [0; FILE_BYTES];
        // The path is `/proc/PID/task/TID`.
        let process = task.ancestors().nth(2)?;
        let name = match process.file_name() == task.file_name() {
            true => "main",
            false => read(&task.join("comm"), &mut buffer).ok()?.trim_end(),
        };
        if name == self.name {
            return None;
        }
        name.clone_into(&mut self.name);
        Some(self.name.clone())
    }
}

/// Returns the folders of a process's threads.
fn tasks(pid: u32) -> impl Iterator<Item = PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    tasks.into_iter().flatten().flatten().map(|task| task.path())
}

fn scheduled(task: &Path) -> Option<Scheduled> {
    let mut buffer = [0; FILE_BYTES];
    let text = read(&task.join("schedstat"), &mut buffer).ok()?;
    let mut numbers = text.split_whitespace().map_while(|number| number.parse().ok());
    Some(Scheduled { cpu_ns: numbers.next()?, wait_ns: numbers.next()?, runs: numbers.next()? })
}

/// Returns the number of the system call in which a thread is blocked. The number is -1 if the
/// thread is blocked outside a system call, for example by a page fault. Returns `None` if the
/// thread runs or waits for a core.
fn blocked_call(task: &Path) -> io::Result<Option<i64>> {
    // The file contains the number and the arguments of the system call, or `running`.
    let mut buffer = [0; FILE_BYTES];
    let call = read(&task.join("syscall"), &mut buffer)?;
    Ok(call.split_whitespace().next().and_then(|word| word.parse().ok()))
}

/// Reads the beginning of a file of `/proc` with one call. `fs::read_to_string` needs three calls.
fn read<'a>(path: &Path, buffer: &'a mut [u8; FILE_BYTES]) -> io::Result<&'a str> {
    let length = File::open(path)?.read(buffer)?;
    std::str::from_utf8(&buffer[..length]).map_err(io::Error::other)
}
