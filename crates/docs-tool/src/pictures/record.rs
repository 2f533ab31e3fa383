//! Records the logs of the timelines: each sibling as a process with four clients, one of which reads
//! slowly.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use harness::{Group, TempFolder, fixture};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::{SIBLINGS, print};

/// The name and length of the file. It is longer than the kernel's buffers for the slow client.
const FILE: &str = "1-MiB.bin";
const FILE_BYTES: u64 = 1 << 20;

/// The speed at which the slow client reads.
const SLOW_BYTES_PER_S: f64 = 2_000_000.0;

/// The number of bytes that the slow client reads at a time.
const SLOW_STEP_BYTES: usize = 4096;

/// The number of clients that read as fast as they can.
const QUICK_CLIENTS: usize = 3;

/// The maximum duration of a recording.
const DEADLINE: Duration = Duration::from_secs(20);

/// Records the log of each sibling, next to its picture.
pub fn timelines(folder: &Path) -> anyhow::Result<()> {
    let packages = SIBLINGS.map(|(approach, _)| format!("serve-{approach}"));
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--release"]).args(packages.iter().flat_map(|name| ["-p", name]));
    ensure!(build.status().context("cannot start cargo")?.success(), "cannot build the servers");
    let here = std::env::current_exe()?;
    let target = here.ancestors().nth(2).unwrap_or(&here);
    let served = TempFolder::new()?;
    let file = served.path().join(FILE);
    fixture::write_noise(&file, FILE_BYTES)?;
    for ((approach, _), package) in SIBLINGS.iter().zip(packages) {
        let program = target.join("release").join(&package);
        let program = program.with_extension(std::env::consts::EXE_EXTENSION);
        let log = record(&program, &file).with_context(|| format!("cannot record {package}"))?;
        let name = format!("timeline-{approach}.jsonl");
        let path = folder.join(&name);
        fs::write(&path, log).with_context(|| format!("cannot write `{}`", path.display()))?;
        print(name);
    }
    Ok(())
}

/// Returns the log of a server until all clients have disconnected.
fn record(program: &Path, file: &Path) -> io::Result<String> {
    let mut command = Command::new(program);
    command.args(["--host", "127.0.0.1", "--port", "0", "--log", "json", "--log-chunks"]);
    command.args(["--workers", "2"]).arg(file);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = Group::spawn(&mut command)?;
    let stdout = server.child().stdout.take().expect("stdout is piped");
    let (line, lines) = mpsc::channel();
    thread::spawn(move || {
        for read in BufReader::new(stdout).lines().map_while(Result::ok) {
            if line.send(read).is_err() {
                break;
            }
        }
    });
    let until = Instant::now() + DEADLINE;
    let next = || {
        let left = until.saturating_duration_since(Instant::now());
        lines
            .recv_timeout(left)
            .map_err(|_| io::Error::other("the clients did not disconnect within 20 s"))
    };
    let listening = next()?;
    let addr = addr(&listening)?;
    let all_connected = Barrier::new(QUICK_CLIENTS);
    thread::scope(|scope| {
        let slow = scope.spawn(|| read_slowly(addr));
        let mut log = format!("{listening}\n");
        // The quick clients connect when the server sends to the slow one.
        let mut has_begun = false;
        let mut ended = 0;
        while ended < QUICK_CLIENTS + 1 {
            let line = next()?;
            log.push_str(&line);
            log.push('\n');
            if !has_begun && line.contains(r#""event":"chunk""#) {
                has_begun = true;
                for _ in 0..QUICK_CLIENTS {
                    scope.spawn(|| read_quickly(addr, &all_connected));
                }
            }
            ended += usize::from(line.contains(r#""event":"disconnected""#));
        }
        slow.join().map_err(|_| io::Error::other("the slow client panicked"))??;
        Ok(log)
    })
}

fn addr(listening: &str) -> io::Result<SocketAddr> {
    let event: Value = serde_json::from_str(listening)?;
    let addr = event["addr"].as_str().and_then(|addr| addr.parse().ok());
    addr.ok_or_else(|| {
        io::Error::other(format!("expected an event with an address, got {listening}"))
    })
}

/// Reads slowly, with a small receive buffer.
fn read_slowly(addr: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_recv_buffer_size(SLOW_STEP_BYTES)?;
    // Segments as on a network. On one machine, a segment is as large as the whole buffer.
    #[cfg(unix)]
    socket.set_tcp_mss(536)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.connect_timeout(&addr.into(), DEADLINE)?;
    let mut stream: TcpStream = socket.into();
    let started = Instant::now();
    let mut read_bytes = 0;
    let mut buffer = [0; SLOW_STEP_BYTES];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => read_bytes += count,
        }
        let due = started + Duration::from_secs_f64(read_bytes as f64 / SLOW_BYTES_PER_S);
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

fn read_quickly(addr: SocketAddr, together: &Barrier) -> io::Result<()> {
    together.wait();
    let mut stream = TcpStream::connect_timeout(&addr, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    io::copy(&mut stream, &mut io::sink())?;
    Ok(())
}
