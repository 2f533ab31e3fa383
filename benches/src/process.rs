//! Processes: how they are started, what they use, and that none is left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How often a process that should end is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// How long a server may take to end when it is asked to.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// What must not outlive us.
#[derive(Debug, Default)]
struct Ours {
    /// Process groups that run now.
    groups: BTreeSet<u32>,
    /// The folder with all files.
    folder: Option<PathBuf>,
}

static OURS: Mutex<Ours> = Mutex::new(Ours { groups: BTreeSet::new(), folder: None });

fn ours() -> MutexGuard<'static, Ours> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ctrl-C, or `kill`, ends this program, every server that it started, and removes their files.
///
/// # Errors
///
/// When signals cannot be heard.
pub fn end_all_on_interrupt(folder: &Path) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    ours().folder = Some(folder.to_owned());
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            // The lock stays taken: nothing may be started any more.
            let ours = ours();
            for &group in &ours.groups {
                kill_group(group);
            }
            let _ = ours.folder.as_ref().map(fs::remove_dir_all);
            std::process::exit(130);
        }
    });
    Ok(())
}

fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}

fn kill_group(group: u32) {
    if let Some(group) = pid(group) {
        // It may have ended already.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// A server with all the processes that it starts itself; they end with this.
#[derive(Debug)]
pub struct Group {
    child: Child,
    has_ended: bool,
}

impl Group {
    /// Starts it in a process group of its own.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        command.process_group(0);
        // Under the lock: an interrupt must not come between the start and our knowing of it.
        let mut ours = ours();
        let child = command.spawn()?;
        ours.groups.insert(child.id());
        Ok(Self { child, has_ended: false })
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks all of it to end, and makes it end if it does not.
    pub fn stop(&mut self) {
        if self.has_ended {
            return;
        }
        self.has_ended = true;
        if let Some(group) = pid(self.child.id()) {
            let _ = kill_process_group(group, Signal::TERM);
        }
        let until = Instant::now() + STOP_TIMEOUT;
        while self.ended().is_none() && Instant::now() < until {
            thread::sleep(LOOK_INTERVAL);
        }
        // Who was left alone by its parent is still of the group.
        if self.ended().is_none() || !members(self.child.id()).is_empty() {
            kill_group(self.child.id());
        }
        let _ = self.child.wait();
        ours().groups.remove(&self.child.id());
    }

    /// Its processes, by number.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        members(self.child.id())
    }

    /// The processor time of each of its processes until now; threads that have ended count.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn cpu(&self) -> Result<BTreeMap<u32, Duration>, String> {
        let of = |number: u32| {
            let raw = i32::try_from(number).map_err(|error| error.to_string())?;
            let clock = nix::time::clock_getcpuclockid(nix::unistd::Pid::from_raw(raw));
            let time = clock.and_then(nix::time::ClockId::now);
            let time = time.map_err(|error| format!("process {number}: {error}"))?;
            Ok((number, Duration::from(time)))
        };
        members(self.child.id()).into_iter().map(of).collect()
    }

    /// The processor time that it has used since, in seconds.
    ///
    /// # Errors
    ///
    /// When one of its processes ended meanwhile, or the system does not tell.
    pub fn cpu_s_since(&self, before: &BTreeMap<u32, Duration>) -> Result<f64, String> {
        spent_s(before, &self.cpu()?)
    }

    /// The memory of all its processes, in bytes; what several share counts once (PSS).
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn memory_bytes(&self) -> Result<u64, String> {
        let of = |number: u32| {
            let path = format!("/proc/{number}/smaps_rollup");
            let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
            pss_bytes(&text).ok_or_else(|| format!("{path} does not tell Pss"))
        };
        members(self.child.id()).into_iter().map(of).sum()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spent_s(
    before: &BTreeMap<u32, Duration>,
    after: &BTreeMap<u32, Duration>,
) -> Result<f64, String> {
    if let Some(lost) = before.keys().find(|number| !after.contains_key(number)) {
        return Err(format!("process {lost} ended in the middle, with what it had used"));
    }
    let spent = |(number, time): (&u32, &Duration)| {
        time.saturating_sub(before.get(number).copied().unwrap_or_default())
    };
    Ok(after.iter().map(spent).sum::<Duration>().as_secs_f64())
}

fn pss_bytes(smaps_rollup: &str) -> Option<u64> {
    let line = smaps_rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// The processes of a group.
fn members(group: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_alive_member = |&number: &u32| {
        let Ok(stat) = fs::read_to_string(format!("/proc/{number}/stat")) else { return false };
        // The name is in parentheses and may hold anything; then state, parent, group.
        let Some((_, fields)) = stat.rsplit_once(") ") else { return false };
        let fields: Vec<&str> = fields.split(' ').take(3).collect();
        fields.first() != Some(&"Z") && fields.get(2) == Some(&group.to_string().as_str())
    };
    numbers.filter(is_alive_member).collect()
}

/// How much of the memory that all TCP connections may have before the kernel becomes stingy is in
/// use: from 1 on, what is measured is the kernel.
pub fn tcp_pressure() -> Option<f64> {
    let used = fs::read_to_string("/proc/net/sockstat").ok()?;
    let limits = fs::read_to_string("/proc/sys/net/ipv4/tcp_mem").ok()?;
    let used: f64 =
        used.lines().find(|line| line.starts_with("TCP:"))?.rsplit(' ').next()?.parse().ok()?;
    let limit: f64 = limits.split_whitespace().nth(1)?.parse().ok()?;
    Some(used / limit)
}

/// Connections of a server for which it has handed all to the kernel, which has not sent all.
pub fn all_sent(port: u16) -> usize {
    all_sent_in(&fs::read_to_string("/proc/net/tcp").unwrap_or_default(), port)
}

/// "sl local_address rem_address st …", where the state 04 is FIN_WAIT1.
fn all_sent_in(table: &str, port: u16) -> usize {
    let port = format!(":{port:04X}");
    let is_one = |line: &&str| {
        let mut words = line.split_whitespace().skip(1);
        words.next().is_some_and(|local| local.ends_with(&port)) && words.nth(1) == Some("04")
    };
    table.lines().filter(is_one).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_is_a_difference_over_all_processes() {
        let times = |pairs: &[(u32, u64)]| -> BTreeMap<u32, Duration> {
            pairs.iter().map(|&(number, ms)| (number, Duration::from_millis(ms))).collect()
        };
        let before = times(&[(1, 100), (2, 300)]);
        let spent = spent_s(&before, &times(&[(1, 150), (2, 400), (3, 50)])).unwrap();
        assert!((spent - 0.2).abs() < 1e-9, "{spent}");
        assert!(spent_s(&before, &times(&[(1, 150)])).unwrap_err().contains("process 2"));
    }

    #[test]
    fn pss_is_found() {
        let text = "5-7 ---p 0 00:00 0 [rollup]\nRss:  99 kB\nPss:    12 kB\nPss_Anon:  3 kB\n";
        assert_eq!(pss_bytes(text), Some(12 * 1024));
        assert_eq!(pss_bytes(""), None);
    }

    #[test]
    fn connections_that_wait_for_their_client_alone_are_counted() {
        let table = "  sl  local_address rem_address   st tx_queue\n\
                     0: 0100007F:0FA0 0200007F:8000 04 00000001\n\
                     1: 0100007F:0FA0 0200007F:8001 01 00000001\n\
                     2: 0100007F:0FA1 0200007F:8001 04 00000001\n";
        assert_eq!(all_sent_in(table, 4000), 1);
        assert!(tcp_pressure().is_some_and(|pressure| pressure >= 0.0));
    }

    #[test]
    fn a_group_is_ended_with_its_children() {
        let mut command = Command::new("sh");
        // A child that does not hear SIGTERM, whose parent does.
        command.args(["-c", "(trap '' TERM; sleep 60) & wait"]);
        let mut group = Group::spawn(&mut command).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while members(group.child.id()).len() < 2 {
            assert!(Instant::now() < until, "it has no child");
            thread::sleep(LOOK_INTERVAL);
        }
        assert!(!group.cpu().unwrap().is_empty());
        assert!(group.memory_bytes().unwrap() > 0);
        group.stop();
        while !members(group.child.id()).is_empty() {
            assert!(Instant::now() < until, "something is left");
            thread::sleep(LOOK_INTERVAL);
        }
    }
}
