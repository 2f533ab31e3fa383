//! Counts the system calls of servers with `strace -c`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use harness::cleanup;
use harness::record::Measurement;

/// The number of calls and the number of failed calls, by name of the system call.
pub type Counts = BTreeMap<String, [u64; 2]>;

/// Returns the reason why strace cannot count system calls on this machine. Returns `None` if
/// strace can count system calls.
pub fn why_no_strace() -> Option<String> {
    let words = command(Path::new("/dev/null"));
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg("true").stdin(Stdio::null());
    let strace = cleanup::spawn(command.stdout(Stdio::null()).stderr(Stdio::piped()));
    match strace.and_then(Child::wait_with_output) {
        Err(_) => Some("`strace` is not installed (apt install strace)".to_owned()),
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let line = text.lines().next().unwrap_or_default();
            Some(format!("`strace` is not permitted, or is older than version 5.7: {line}"))
        }
    }
}

/// Returns the beginning of a command. The complete command runs a program, and writes the numbers
/// of the program's system calls to a file.
pub(super) fn command(counts: &Path) -> Vec<OsString> {
    let words = ["strace", "-f", "-c", "-U", "name,calls,errors", "-o"];
    words.into_iter().map(OsString::from).chain([counts.into()]).collect()
}

/// Reads the system call counts from a file that strace wrote.
///
/// # Errors
///
/// Fails if the file cannot be read or contains no system call counts.
pub fn counts(path: &Path) -> io::Result<Counts> {
    let text = fs::read_to_string(path)?;
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let calls = words.next()?.parse().ok()?;
        let errors = words.next().and_then(|errors| errors.parse().ok()).unwrap_or(0);
        (name != "total").then(|| (name.to_owned(), [calls, errors]))
    });
    let counts: Counts = lines.collect();
    match counts.is_empty() {
        true => Err(io::Error::other("`strace` counted no system calls")),
        false => Ok(counts),
    }
}

/// Returns the numbers of system calls that a server makes for its client. Each number is the
/// number in `counts` minus the number of calls that a start and a shutdown need
/// (`without_client`).
pub fn measurements(id: &str, counts: &Counts, without_client: &Counts) -> Vec<Measurement> {
    let measurements = counts.iter().flat_map(|(name, [calls, errors])| {
        let [other_calls, other_errors] = without_client.get(name).copied().unwrap_or_default();
        let calls = calls.saturating_sub(other_calls);
        let errors = errors.saturating_sub(other_errors).min(calls);
        let values = [("calls", calls), ("errors", errors)].into_iter();
        values.filter(move |_| calls > 0).map(move |(kind, count)| {
            Measurement::single(format!("{id}/{kind}/{name}"), count as f64)
        })
    });
    measurements.collect()
}
