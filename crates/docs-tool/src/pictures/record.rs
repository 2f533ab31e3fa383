//! Records the logs of the timelines. Each sibling runs as a process with four clients, one of
//! which reads slowly.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use harness::{Group, TempFolder, fixture};
use serde_json::Value;

use crate::common::{print, siblings_in_one_file};

/// The name and the length of the file. The file does not fit in the kernel's buffers for the slow
/// client.
const FILE: &str = "1-MiB.bin";
const FILE_BYTES: u64 = 1 << 20;

/// The options of `probe` for the slow client: a small buffer, and 2 MB per second.
const SLOW: [&str; 3] = ["--small", "--slow", "2MB"];

/// The number of clients that read as fast as possible.
const QUICK_CLIENTS: usize = 3;

/// The maximum duration of a recording.
const DEADLINE: Duration = Duration::from_secs(20);

/// Records the log of each sibling that the lessons quote, and writes the log to `folder`.
pub fn timelines(folder: &Path) -> anyhow::Result<()> {
    let approaches = siblings_in_one_file().into_iter().map(|(approach, _)| approach);
    let packages: Vec<_> =
        approaches.map(|approach| (approach, format!("serve-{approach}"))).collect();
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build
        .args(["build", "--release", "-p", "probe"])
        .args(packages.iter().flat_map(|(_, name)| ["-p", name]));
    ensure!(build.status().context("cannot start `cargo`")?.success(), "cannot build the servers");
    let here = std::env::current_exe()?;
    let target = here.ancestors().nth(2).unwrap_or(&here).join("release");
    let program = |name: &str| target.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    let served = TempFolder::new()?;
    let file = served.path().join(FILE);
    fixture::write_noise(&file, FILE_BYTES)?;
    for (approach, package) in packages {
        let log = record(&program(&package), &program("probe"), &file)
            .with_context(|| format!("cannot record {package}"))?;
        let name = format!("timeline-{approach}.jsonl");
        let path = folder.join(&name);
        fs::write(&path, log).with_context(|| format!("cannot write `{}`", path.display()))?;
        print(name);
    }
    Ok(())
}

/// Starts a server and its clients. Returns the log that the server prints until all clients have
/// disconnected.
fn record(server: &Path, probe: &Path, file: &Path) -> anyhow::Result<String> {
    let mut command = Command::new(server);
    command.args(["--host", "127.0.0.1", "--port", "0", "--log", "json", "--log-chunks"]);
    command.args(["--workers", "2"]).arg(file);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = Group::spawn(&mut command)?;
    let stdout = server.child().stdout.take().expect("stdout is piped");
    let (line, lines) = mpsc::channel();
    thread::spawn(move || {
        BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|read| line.send(read))
    });
    let until = Instant::now() + DEADLINE;
    let next = || {
        let left = until.saturating_duration_since(Instant::now());
        lines.recv_timeout(left).context("the clients did not disconnect within 20 s")
    };
    let listening = next()?;
    let event: Value = serde_json::from_str(&listening)?;
    let addr: SocketAddr = event["addr"].as_str().unwrap_or_default().parse()?;
    let mut slow = Command::new(probe);
    slow.arg(addr.to_string()).args(SLOW).stdout(Stdio::null());
    let _slow = Group::spawn(&mut slow)?;
    let barrier = Arc::new(Barrier::new(QUICK_CLIENTS));
    let mut quick = 0..QUICK_CLIENTS;
    let mut log = format!("{listening}\n");
    let mut ended = 0;
    while ended < QUICK_CLIENTS + 1 {
        let line = next()?;
        log.push_str(&line);
        log.push('\n');
        // The quick clients connect when the server has sent the first chunk to the slow client.
        if line.contains(r#""event":"chunk""#) {
            for _ in quick.by_ref() {
                let barrier = Arc::clone(&barrier);
                thread::spawn(move || read_quickly(addr, &barrier));
            }
        }
        ended += usize::from(line.contains(r#""event":"disconnected""#));
    }
    Ok(log)
}

/// Connects to the server at the same time as the other quick clients, and reads as fast as
/// possible.
fn read_quickly(addr: SocketAddr, barrier: &Barrier) -> io::Result<u64> {
    barrier.wait();
    io::copy(&mut TcpStream::connect(addr)?, &mut io::sink())
}
