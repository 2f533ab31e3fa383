//! From the command line to a running server, and to its exit code.

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
use crate::limits;
use crate::listener::bind;
use crate::log::EventLog;
use crate::server::Server;
use crate::signals;
use crate::text::printable;

/// A wrong command line, or a server that cannot start.
const EXIT_USAGE: u8 = 2;

/// The whole of a sibling's program. Exit code 0 after a shutdown, 2 if the server did not start.
#[must_use]
pub fn main(approach: &Approach) -> ExitCode {
    main_with_args(approach, env::args_os())
}

/// [`main`] for a command line that is not the process's own; its first word is the program.
#[must_use]
pub fn main_with_args(approach: &Approach, args: impl Iterator<Item = OsString>) -> ExitCode {
    match start(approach, args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            say(&format!("serve-{}: {}\n", approach.name, printable(&message)));
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn start(approach: &Approach, args: impl Iterator<Item = OsString>) -> Result<(), String> {
    let connections_max = limits::connections_max();
    let config = match cli::parse(approach, connections_max.max(1), args)? {
        Request::Serve(config) => config,
        Request::Print(text) => {
            // Into a pager that was closed, say.
            let _ = io::stdout().write_all(text.as_bytes());
            return Ok(());
        }
    };
    if connections_max == 0 {
        return Err("there are too few file descriptors for a server; try: ulimit -n 1024".into());
    }
    let file_bytes = check_file(&config.file)?;
    let listener = bind(&config).map_err(|error| bind_message(&config, &error))?;
    let cannot_start = |error: io::Error| format!("cannot start: {error}");
    let addr = listener.local_addr().map_err(cannot_start)?;
    let log = EventLog::to_stdout(config.log).map_err(cannot_start)?;
    let server = Arc::new(Server::new(config, log));
    signals::shut_down_on_signal(Arc::clone(&server)).map_err(cannot_start)?;
    say(&welcome(approach, &server.config, addr, file_bytes));
    server.log.record(EventKind::Listening {
        approach: approach.name,
        addr,
        file: server.config.file_name(),
        bytes: file_bytes,
    });
    let ended = (approach.run)(listener, Arc::clone(&server));
    server.log.finish();
    ended.map_err(cannot_start)
}

/// The file's length in bytes, or why it cannot be served.
fn check_file(path: &Path) -> Result<u64, String> {
    let name = path.display();
    let is_folder = fs::metadata(path).is_ok_and(|metadata| metadata.is_dir());
    if is_folder {
        return Err(format!("{name} is a folder: name one file to serve"));
    }
    match Body::open(path) {
        Ok(body) => Ok(body.bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("{name} does not exist: name a file to serve, or none for the river"))
        }
        Err(error) => Err(format!("{name} cannot be served: {error}")),
    }
}

fn bind_message(config: &Config, error: &io::Error) -> String {
    let Config { host, port, .. } = config;
    let mend = match error.kind() {
        io::ErrorKind::AddrInUse => "another program has it: choose with --port, 0 for a free one",
        io::ErrorKind::PermissionDenied => "a port below 1024 wants more rights: try --port 4000",
        _ => "choose an address of this machine with --host",
    };
    format!("cannot listen on {host}, port {port} ({error}); {mend}")
}

/// What somebody who started the server wants to know, and ought to.
fn welcome(approach: &Approach, config: &Config, addr: SocketAddr, file_bytes: u64) -> String {
    let mut text = format!(
        "serve-{}: {} ({file_bytes} bytes) goes to whoever connects; Ctrl-C ends\n",
        approach.name,
        printable(&config.file_name()),
    );
    let port = addr.port();
    let urls = match addr.ip() {
        ip if ip.is_unspecified() => {
            let mut urls = vec![format!("http://localhost:{port}/")];
            urls.extend(lan_addresses().iter().map(|ip| format!("http://{ip}:{port}/")));
            urls
        }
        ip if ip == Ipv4Addr::LOCALHOST => vec![format!("http://localhost:{port}/")],
        _ => vec![format!("http://{addr}/")],
    };
    for url in urls {
        writeln!(text, "  {url}").expect("a String takes all");
    }
    if addr.ip().is_unspecified() {
        let everyone = "is open to everyone on your network";
        writeln!(text, "{} {everyone}; --host 127.0.0.1 closes it", addr.ip())
            .expect("a String takes all");
    }
    if config.preamble != Preamble::Http {
        text.push_str("A browser takes it as it is; curl and its like need --preamble http\n");
    }
    text
}

/// This machine's addresses in its local networks.
fn lan_addresses() -> Vec<Ipv4Addr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let addresses = interfaces.into_iter().filter_map(|interface| match interface.ip() {
        IpAddr::V4(ip) if !ip.is_loopback() && !ip.is_link_local() => Some(ip),
        _ => None,
    });
    addresses.collect()
}

/// Prints to stderr, which may be closed.
fn say(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approach::TEST;

    fn welcome_at(addr: &str, preamble: Preamble) -> String {
        let mut config = Config::new("some/river.webp");
        config.preamble = preamble;
        welcome(&TEST, &config, addr.parse().unwrap(), 7)
    }

    #[test]
    fn the_welcome_names_the_urls_and_what_to_know() {
        let open = welcome_at("0.0.0.0:4000", Preamble::Bare);
        assert!(open.contains("serve-test: river.webp (7 bytes)"), "{open}");
        assert!(open.contains("http://localhost:4000/"), "{open}");
        assert!(open.contains("--host 127.0.0.1"), "{open}");
        assert!(open.contains("--preamble http"), "{open}");

        let closed = welcome_at("127.0.0.1:4000", Preamble::Http);
        assert!(closed.contains("http://localhost:4000/"), "{closed}");
        assert!(!closed.contains("--host") && !closed.contains("--preamble"), "{closed}");

        let chosen = welcome_at("192.0.2.7:4000", Preamble::Http);
        assert!(chosen.contains("http://192.0.2.7:4000/"), "{chosen}");
    }

    #[test]
    fn what_cannot_be_served_is_said_with_the_mend() {
        let folder = tempfile::tempdir().unwrap();
        let missing = check_file(&folder.path().join("missing")).unwrap_err();
        assert!(missing.ends_with("name a file to serve, or none for the river"), "{missing}");
        let is_folder = check_file(folder.path()).unwrap_err();
        assert!(is_folder.ends_with("is a folder: name one file to serve"), "{is_folder}");
    }
}
