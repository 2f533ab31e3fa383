//! A small correct file server, and its mutants. The server fulfills the whole contract with
//! blocking std I/O and two threads per connection. `--bug NAME` gives the server one deliberate
//! bug. The code of each bug is next to the correct code and contains the name of the [`Mutant`].
//!
//! `mutants --list` lists the mutants. `mutants --bug never-reads river.webp 4000` runs a mutant.

mod accept;
mod handle;
mod mutant;
mod reply;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use harness::text::duration;
use serve_core::{Body, Config, EventKind, EventLog, LogFormat, Preamble, Server};
use socket2::{Domain, SockRef, Socket, Type};

use accept::{Sockets, accept_loop};
use mutant::Mutant;

/// Serve a file correctly or with one deliberate bug
#[derive(Clone, Debug, Parser)]
#[command(name = "mutants", after_help = "To list all bugs, run `mutants --list`.")]
struct Arguments {
    /// File to serve
    file: PathBuf,
    /// Port to listen on
    port: u16,
    /// Name of the bug
    #[arg(long = "bug", value_name = "NAME", hide_possible_values = true)]
    mutant: Option<Mutant>,
    /// Chunk size in bytes
    #[arg(long = "chunk", value_name = "BYTES", default_value = "65536",
        value_parser = clap::value_parser!(u32).range(1..))]
    chunk_bytes: u32,
    /// Bytes before the file: bare, http or none
    #[arg(long, value_name = "KIND", default_value = "bare", value_parser = preamble)]
    preamble: Preamble,
    /// Connection limit
    #[arg(long, value_name = "N", default_value = "2000",
        value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: u32,
    /// Stall timeout
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    stall_timeout: Duration,
    /// Linger timeout
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    linger_timeout: Duration,
    /// Grace period of the shutdown
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    grace: Duration,
    /// Log each chunk as an event
    #[arg(long)]
    log_chunks: bool,
}

fn preamble(text: &str) -> Result<Preamble, String> {
    match text {
        "bare" => Ok(Preamble::Bare),
        "http" => Ok(Preamble::Http),
        "none" => Ok(Preamble::None),
        _ => Err("expected bare, http or none".to_owned()),
    }
}

fn main() -> ExitCode {
    if env::args_os().skip(1).eq(["--list"]) {
        for mutant in Mutant::value_variants() {
            let value = mutant.to_possible_value().expect("every variant has a value");
            let bug = value.get_help().unwrap_or_default();
            let _ = writeln!(io::stdout(), "{:30} {bug}", value.get_name());
        }
        return ExitCode::SUCCESS;
    }
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Serves clients until a signal starts the shutdown.
fn run(arguments: Arguments) -> Result<()> {
    mutant::activate(arguments.mutant);
    let limit = arguments.max_connections as usize;
    let mut config = Config {
        host: "127.0.0.1".to_owned(),
        port: arguments.port,
        chunk_bytes: arguments.chunk_bytes as usize,
        preamble: arguments.preamble,
        max_connections: match mutant::active() {
            Some(Mutant::PoolOfThreads) => 64,
            Some(Mutant::FixedLimit) => 3,
            Some(Mutant::DropsAtLimit | Mutant::IgnoresLimit) => usize::MAX,
            _ => limit,
        },
        stall_timeout: arguments.stall_timeout,
        linger_timeout: arguments.linger_timeout,
        grace: arguments.grace,
        log_chunks: arguments.log_chunks,
        ..Config::new(arguments.file)
    };
    if Mutant::FixedTimeouts.is_active() {
        let timeout = Duration::from_secs(3);
        (config.stall_timeout, config.linger_timeout, config.grace) = (timeout, timeout, timeout);
    }
    let file = config.file_name();
    let bytes = Body::open(&config.file).with_context(|| format!("cannot open `{file}`"))?.bytes;
    if Mutant::FileReadOnce.is_active() {
        reply::STARTUP_CONTENT.get_or_init(|| fs::read(&config.file).unwrap_or_default());
    }
    let listener = serve_core::bind(&config)
        .with_context(|| format!("cannot listen on port {}", config.port))?;
    if Mutant::SmallBacklog.is_active() {
        SockRef::from(&listener).listen(5)?;
    }
    let addr = listener.local_addr()?;
    // At shutdown, the server connects to itself to wake `accept`. The socket is created now,
    // because the process may not have an unused file descriptor at shutdown.
    let waker = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    let server = Arc::new(Server::new(config, EventLog::to_stdout(LogFormat::Json)?));
    stop_on_signals(&server)?;
    server.log.record(EventKind::Listening { approach: "mutants", addr, file, bytes });
    let sockets = Arc::new(Sockets::default());
    wake_up_without_work(&sockets)?;
    let (acceptor, accepted) = (Arc::clone(&server), Arc::clone(&sockets));
    thread::Builder::new().spawn(move || accept_loop(listener, &acceptor, &accepted, limit))?;

    server.shutdown.wait();
    let _ = waker.connect_timeout(&addr.into(), Duration::from_secs(1));
    match mutant::active() {
        Some(Mutant::DisconnectsAtShutdown) => {}
        Some(Mutant::WaitsWholeGracePeriod) => thread::sleep(server.config.grace),
        Some(Mutant::ExitsAfterFirstClient) => {
            let (count, started) = (sockets.count(), Instant::now());
            while sockets.count() >= count && started.elapsed() < server.config.grace {
                thread::sleep(Duration::from_millis(10));
            }
        }
        _ => server.wait_until_idle(server.config.grace),
    }
    server.disconnect_all();
    sockets.shut_down();
    server.wait_until_idle(Duration::from_secs(1));
    server.log.finish();
    Ok(())
}

/// Starts a thread that uses CPU time, for the mutants that do not block while there is no work.
fn wake_up_without_work(sockets: &Arc<Sockets>) -> io::Result<()> {
    let sockets = Arc::clone(sockets);
    let work: Box<dyn Fn() + Send> = match mutant::active() {
        Some(Mutant::PollsEveryMillisecond) => Box::new(|| thread::sleep(Duration::from_millis(1))),
        Some(Mutant::SpinsWithoutClients) => Box::new(move || {
            if sockets.count() > 0 {
                thread::sleep(Duration::from_millis(100));
            }
        }),
        _ => return Ok(()),
    };
    // Without a time limit, this loop would never end. The check needs less than a minute.
    let started = Instant::now();
    let run = move || {
        while started.elapsed() < Duration::from_secs(60) {
            work();
        }
    };
    thread::Builder::new().spawn(run).map(drop)
}

#[cfg(unix)]
fn stop_on_signals(server: &Arc<Server>) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    if Mutant::NoSignalHandlers.is_active() {
        return Ok(());
    }
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let server = Arc::clone(server);
    let wait = move || {
        let mut first = None;
        for signal in signals.forever() {
            let is_repeated = *first.get_or_insert(signal) == signal;
            match mutant::active() {
                Some(Mutant::IgnoresSigterm) => continue,
                Some(Mutant::CountsSignalsSeparately) if !is_repeated => continue,
                Some(Mutant::AcceptsInGrace) => thread::sleep(server.config.grace),
                _ => {}
            }
            if server.shutdown.is_requested() && !Mutant::IgnoresSecondSignal.is_active() {
                std::process::exit(130);
            }
            server.shut_down();
        }
    };
    thread::Builder::new().spawn(wait).map(drop)
}

/// Does nothing, because Ctrl-C ends the process on Windows even without a handler.
#[cfg(not(unix))]
fn stop_on_signals(_server: &Arc<Server>) -> io::Result<()> {
    Ok(())
}
