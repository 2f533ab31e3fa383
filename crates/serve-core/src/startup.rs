//! Starts a server from a command line, and returns its exit code.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, fs};

use crate::approach::Approach;
use crate::body::Body;
use crate::cli::{self, Request};
use crate::config::{Config, Preamble};
use crate::event::EventKind;
use crate::limits::{Limit, Resources};
use crate::listener::bind;
#[cfg(target_os = "linux")]
use crate::listener::limit_unsent_bytes;
use crate::log::EventLog;
use crate::server::{Announcement, Server};
use crate::signals;
use crate::text::printable;
use crate::threads::{POOL_THREADS, check_threads, no_thread};

/// The exit code if the command line is invalid or the server cannot start.
const EXIT_USAGE: u8 = 2;

/// The maximum number of URLs for other machines in the start message. With this limit, the message
/// has at most seven lines even if containers and virtual machines add network interfaces.
const LAN_URLS_MAX: usize = 2;

/// Runs a sibling's program with the arguments of the process. Returns exit code 0 after a
/// shutdown, or 2 if the server cannot start.
#[must_use]
pub fn main(approach: &Approach) -> ExitCode {
    main_with_args(approach, env::args_os())
}

/// Runs a sibling's program with the given arguments (see [`main`]). The first argument is the name
/// of the program.
#[must_use]
pub fn main_with_args(approach: &Approach, args: impl Iterator<Item = OsString>) -> ExitCode {
    match run(approach, args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let lines: String = message.lines().map(|line| printable(line) + "\n").collect();
            print_to_stderr(&format!("error: {lines}"));
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn run(approach: &Approach, args: impl Iterator<Item = OsString>) -> Result<(), String> {
    let cannot_start = |error: io::Error| format!("cannot start the server: {error}");
    // Until the handlers are installed, a signal kills the process.
    let signaled_server = signals::handle_signals().map_err(cannot_start)?;
    signals::ignore_file_size_signal().map_err(cannot_start)?;
    let resources = Resources::detect();
    let config = match cli::parse(approach, &resources, args)? {
        Request::Serve(config) => config,
        Request::Print(text) => {
            // An error is ignored, because stdout may be a pipe to a program that has ended.
            let _ = io::stdout().write_all(text.as_bytes());
            return Ok(());
        }
    };
    let limit = resources.limit(approach, &config);
    if limit.connections == 0 {
        let help = "raise the limit, for example with `ulimit -n 1024`";
        return Err(format!("the limit on open file descriptors is too low\nhelp: {help}"));
    }
    let file_bytes = check_file(&config.file)?;
    let threads = threads_needed(approach, &config);
    check_threads(threads).map_err(|error| {
        format!("cannot start the {threads} threads that the server needs: {error}")
    })?;
    let listener = bind(&config).map_err(|error| bind_message(&config, &error))?;
    // The kernel charges the send buffers to the control group.
    #[cfg(target_os = "linux")]
    if resources.memory.is_cgroup {
        limit_unsent_bytes(&listener).map_err(cannot_start)?;
    }
    let addr = listener.local_addr().map_err(cannot_start)?;
    let log = EventLog::to_stdout(config.log).map_err(no_thread).map_err(cannot_start)?;
    let start_message = start_message(approach, &config, &limit, addr, file_bytes);
    let listening = EventKind::Listening {
        approach: approach.name,
        addr,
        file: config.file_name(),
        bytes: file_bytes,
    };
    let server =
        Server::new(config, log).with_announcement(Announcement { start_message, listening });
    let server = Arc::new(server);
    signaled_server.get_or_init(|| Arc::clone(&server));
    let result = (approach.run)(listener, Arc::clone(&server));
    server.log.finish();
    result.map_err(cannot_start)
}

/// Returns the number of threads that the server starts before it is ready to serve a client.
fn threads_needed(approach: &Approach, config: &Config) -> usize {
    let threads_of_approach = match approach.has_workers {
        // One of the threads belongs to the reactor. Tokio and mio do not need this thread.
        true => config.workers + POOL_THREADS.get() + 1,
        // One of the threads accepts. The first client needs two threads.
        false => 3,
    };
    let threads_of_log = 1;
    threads_of_approach + threads_of_log
}

/// Returns the length of the file in bytes, or an error message if the server cannot serve it.
fn check_file(path: &Path) -> Result<u64, String> {
    let name = path.display();
    // Windows reports `PermissionDenied` when a program opens a directory.
    let is_directory = fs::metadata(path).is_ok_and(|metadata| metadata.is_dir());
    if is_directory {
        return Err(format!("cannot serve `{name}`: it is a directory\nhelp: specify a file"));
    }
    match Body::open(path) {
        Ok(body) => Ok(body.bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let help = "specify an existing file, or omit FILE to serve `assets/river.webp`";
            Err(format!("cannot serve `{name}`: it does not exist\nhelp: {help}"))
        }
        Err(error) => Err(format!("cannot serve `{name}`: {error}")),
    }
}

fn bind_message(config: &Config, error: &io::Error) -> String {
    let Config { host, port, .. } = config;
    let help = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "use --port to choose another port, or --port 0 to use any free port"
        }
        io::ErrorKind::PermissionDenied => {
            "use --port to choose another port; ports below 1024 may require privileges"
        }
        _ => "use --host to choose an address of this machine",
    };
    format!("cannot listen on `{host}`, port {port}: {error}\nhelp: {help}")
}

/// Returns the message that the server prints at startup, with the file, the URLs and hints.
fn start_message(
    approach: &Approach,
    config: &Config,
    limit: &Limit,
    addr: SocketAddr,
    file_bytes: u64,
) -> String {
    let mut text = format!(
        "serve-{}: serving `{}` ({file_bytes} bytes) to every client; press Ctrl-C to stop\n",
        approach.name,
        printable(&config.file_name()),
    );
    let port = addr.port();
    let urls = match addr.ip() {
        ip if ip.is_unspecified() => {
            let mut urls = vec![format!("http://localhost:{port}/")];
            urls.extend(
                lan_addresses().iter().take(LAN_URLS_MAX).map(|ip| format!("http://{ip}:{port}/")),
            );
            urls
        }
        ip if ip == Ipv4Addr::LOCALHOST => vec![format!("http://localhost:{port}/")],
        _ => vec![format!("http://{addr}/")],
    };
    for url in urls {
        writeln!(text, "  {url}").expect("writing to a String cannot fail");
    }
    text.push_str(&limit_message(approach, config, limit));
    if addr.ip().is_unspecified() {
        text.push_str("warning: anyone on your network can connect; ");
        text.push_str("--host 127.0.0.1 prevents this\n");
    }
    if config.preamble != Preamble::Http {
        text.push_str("help: for curl and other HTTP clients, use --preamble http\n");
    }
    text
}

/// Returns a line about the connection limit if the resources of the system do not suffice for the
/// approach's default, or for the number of connections that the user specified. Otherwise, returns
/// an empty string. A limit that is at most 1% lower than the default is not worth a line.
fn limit_message(approach: &Approach, config: &Config, limit: &Limit) -> String {
    let Limit { connections, reason } = limit;
    if config.max_connections > *connections {
        format!("warning: {reason}, enough for {connections} connections\n")
    } else if config.max_connections == *connections
        && *connections < approach.max_connections / 100 * 99
    {
        format!("note: the connection limit is {connections}: {reason}\n")
    } else {
        String::new()
    }
}

/// Returns the IPv4 addresses at which other machines can reach this machine.
fn lan_addresses() -> Vec<Ipv4Addr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let addresses = interfaces.into_iter().filter_map(|interface| match interface.ip() {
        IpAddr::V4(ip) if !ip.is_loopback() && !ip.is_link_local() => Some(ip),
        _ => None,
    });
    addresses.collect()
}

/// Prints to stderr. Errors are ignored, because stderr may be closed.
fn print_to_stderr(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approach::TEST;

    const AMPLE: usize = 1_000_000;

    fn start_message_at(addr: &str, preamble: Preamble, connections: usize) -> String {
        let mut config = Config::new("some/river.webp");
        config.preamble = preamble;
        config.max_connections = TEST.max_connections.min(connections);
        start_message_with(&config, addr, connections)
    }

    fn start_message_with(config: &Config, addr: &str, connections: usize) -> String {
        let reason = "the cgroup has 1048576 MiB of memory".to_owned();
        let limit = Limit { connections, reason };
        start_message(&TEST, config, &limit, addr.parse().unwrap(), 7)
    }

    #[test]
    fn the_start_message_contains_the_urls_and_the_hints() {
        let all = start_message_at("0.0.0.0:4000", Preamble::Bare, 1000);
        assert!(all.starts_with("serve-test: serving `river.webp` (7 bytes) to"), "{all}");
        assert!(all.contains("http://localhost:4000/"), "{all}");
        assert!(all.contains("note: the connection limit is 1000: the cgroup"), "{all}");
        assert!(all.contains("--host 127.0.0.1"), "{all}");
        assert!(all.contains("--preamble http"), "{all}");
        assert!(all.lines().count() <= 7, "{all}");
        assert!(all.lines().all(|line| line.chars().count() <= 80), "{all}");

        let local = start_message_at("127.0.0.1:4000", Preamble::Http, AMPLE);
        assert!(local.contains("http://localhost:4000/"), "{local}");
        assert!(!local.contains("--host") && !local.contains("--preamble"), "{local}");
        assert!(!local.contains("connections") && !local.contains("limit"), "{local}");

        let one = start_message_at("192.0.2.7:4000", Preamble::Http, AMPLE);
        assert!(one.contains("http://192.0.2.7:4000/"), "{one}");
    }

    #[test]
    fn a_slightly_lower_connection_limit_is_not_worth_a_line() {
        let message = |connections| start_message_at("127.0.0.1:4000", Preamble::Bare, connections);
        assert!(message(TEST.max_connections - 21).contains("note: "));
        assert!(!message(TEST.max_connections - 20).contains("note: "));
    }

    #[test]
    fn the_start_message_warns_if_the_resources_do_not_suffice() {
        let mut config = Config::new("river.webp");
        let message = |config: &Config| start_message_with(config, "127.0.0.1:4000", 10_000);
        config.max_connections = 20_000;
        let warning = message(&config);
        let expected = "warning: the cgroup has 1048576 MiB of memory, enough for 10000";
        assert!(warning.contains(expected), "{warning}");
        assert!(warning.lines().all(|line| line.chars().count() <= 80), "{warning}");
        config.max_connections = 10;
        assert!(!message(&config).contains("limit"), "{}", message(&config));
    }

    #[test]
    fn the_error_for_a_file_that_cannot_be_served_includes_help() {
        let folder = tempfile::tempdir().unwrap();
        let missing = check_file(&folder.path().join("missing")).unwrap_err();
        assert!(missing.contains("it does not exist\nhelp: specify an existing file"), "{missing}");
        let directory = check_file(folder.path()).unwrap_err();
        assert!(directory.ends_with("it is a directory\nhelp: specify a file"), "{directory}");
    }
}
