//! Sends signals to processes and describes how processes ended.

use std::process::ExitStatus;

/// A signal for a process. Only Unix has signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `SIGKILL`
    Kill,
    /// `SIGINT`, the signal that Ctrl-C sends.
    Interrupt,
    /// `SIGTERM`
    Terminate,
    /// `SIGSTOP`
    Stop,
    /// `SIGCONT`
    Continue,
}

impl Signal {
    /// Indicates whether this system has signals.
    pub const EXIST: bool = cfg!(unix);
}

/// Sends a signal to a process. Does nothing if the process has ended.
#[cfg(unix)]
pub(crate) fn send(pid: u32, signal: Signal) {
    if let Some(pid) = raw_pid(pid) {
        let _ = rustix::process::kill_process(pid, number(signal));
    }
}

/// Sends a signal to a process group. Does nothing if all its processes have ended.
#[cfg(unix)]
pub(crate) fn send_to_group(group: u32, signal: Signal) {
    if let Some(pid) = raw_pid(group) {
        let _ = rustix::process::kill_process_group(pid, number(signal));
    }
}

#[cfg(unix)]
pub(crate) fn raw_pid(pid: u32) -> Option<rustix::process::Pid> {
    i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw)
}

#[cfg(unix)]
pub(crate) fn number(signal: Signal) -> rustix::process::Signal {
    use rustix::process::Signal as Number;
    match signal {
        Signal::Kill => Number::KILL,
        Signal::Interrupt => Number::INT,
        Signal::Terminate => Number::TERM,
        Signal::Stop => Number::STOP,
        Signal::Continue => Number::CONT,
    }
}

#[cfg(not(unix))]
pub(crate) fn send(_pid: u32, _signal: Signal) {}

#[cfg(not(unix))]
pub(crate) fn send_to_group(_group: u32, _signal: Signal) {}

/// Describes how a process ended, such as `exit code 1` or `signal 11 (SIGSEGV)`.
#[must_use]
pub fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return match signal {
            2 => "signal 2 (SIGINT)".to_owned(),
            6 => "signal 6 (SIGABRT)".to_owned(),
            7 => "signal 7 (SIGBUS)".to_owned(),
            9 => "signal 9 (SIGKILL)".to_owned(),
            11 => "signal 11 (SIGSEGV)".to_owned(),
            13 => "signal 13 (SIGPIPE)".to_owned(),
            15 => "signal 15 (SIGTERM)".to_owned(),
            25 => "signal 25 (SIGXFSZ)".to_owned(),
            other => format!("signal {other}"),
        };
    }
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    }
}
