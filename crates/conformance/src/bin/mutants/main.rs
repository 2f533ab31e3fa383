//! A small correct file server, and its mutants. The server fulfills the whole contract with
//! blocking std I/O and two threads per connection. `--bug NAME` gives it one deliberate bug, at
//! the place that calls `is_mutant(Mutant::…)`, so that correct and incorrect code are next to each
//! other.
//!
//! `mutants --list` lists the mutants; `mutants --bug never-reads river.webp 4000` runs one of
//! them.

mod accept;
mod connection;
mod handle;
mod log;
mod mutant;
mod options;
mod reply;
mod server;

use std::collections::HashMap;
use std::env;
use std::io::{self, Read, Write};
#[cfg(unix)]
use std::process;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use socket2::{Domain, Socket, Type};

use accept::{accept_loop, bind};
use log::quoted;
use mutant::Mutant;
use options::Options;
use reply::open_regular;
use server::Server;

fn main() -> ExitCode {
    if env::args_os().skip(1).eq(["--list"]) {
        for mutant in Mutant::value_variants() {
            let value = mutant.to_possible_value().expect("no variant is skipped");
            let bug = value.get_help().unwrap_or_default();
            let _ = writeln!(io::stdout(), "{:30} {bug}", value.get_name());
        }
        return ExitCode::SUCCESS;
    }
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Serves clients until a signal starts the shutdown.
fn run(options: Options) -> Result<()> {
    let name = options.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut file = open_regular(&options.file).with_context(|| format!("cannot open `{name}`"))?;
    let bytes = file.metadata()?.len();
    let mut startup_content = Vec::new();
    if options.mutant == Some(Mutant::FileReadOnce) {
        file.read_to_end(&mut startup_content)?;
    }
    drop(file);
    let listener =
        bind(&options).with_context(|| format!("cannot listen on port {}", options.port))?;
    let addr = listener.local_addr()?;
    // A connection to itself wakes `accept` at shutdown. The socket is created now because no file
    // descriptor may be left then.
    let waker = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    let server = Arc::new(Server::new(options, startup_content)?);
    stop_on_signals(&server)?;
    let fields = format!(r#","approach":"mutants","addr":"{addr}","file":{},"#, quoted(&name));
    server.log.record("listening", &format!(r#"{fields}"bytes":{bytes}"#));
    let acceptor = Arc::clone(&server);
    thread::Builder::new().spawn(move || accept_loop(&acceptor, listener))?;

    server.wait_until(Duration::MAX, |_| server.is_stopping.load(SeqCst));
    let _ = waker.connect_timeout(&addr.into(), Duration::from_secs(1));
    if !server.is_mutant(Mutant::CutsAtShutdown) {
        server.wait_until(server.options.grace, HashMap::is_empty);
    }
    server.disconnect_all();
    server.wait_until(Duration::from_secs(1), HashMap::is_empty);
    server.log.finish();
    Ok(())
}

#[cfg(unix)]
fn stop_on_signals(server: &Arc<Server>) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let server = Arc::clone(server);
    let wait = move || {
        for _ in signals.forever() {
            if server.is_mutant(Mutant::IgnoresSigterm) {
                continue;
            }
            if server.is_stopping.load(SeqCst) && !server.is_mutant(Mutant::IgnoresSecondSignal) {
                process::exit(130);
            }
            server.stop();
        }
    };
    thread::Builder::new().spawn(wait).map(drop)
}

/// Does nothing: Windows ends the process without help.
#[cfg(not(unix))]
fn stop_on_signals(_server: &Arc<Server>) -> io::Result<()> {
    Ok(())
}
