//! A log that cannot be written (clause 11 of docs/CONTRACT.md).

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use harness::TempFolder;
use harness::text::elapsed;
use rustix::process::Resource;
use serde_json::Value;
use serve_core::Approach;

use crate::client;
use crate::fault::{Fault, Result, fail};
use crate::kernel::SmallDisk;
use crate::server::{Server, Start, wait_until};

pub const FAULTS: &[Fault] = &[
    Fault {
        id: "full-log",
        title: "The disk under the log is full for some time (ENOSPC)",
        is_alone: false,
        run: full_disk,
    },
    Fault {
        id: "log-size-limit",
        title: "The log exceeds the limit on file sizes for some time (SIGXFSZ, EFBIG)",
        is_alone: false,
        run: file_size_limit,
    },
    Fault {
        id: "closed-log",
        title: "The program that reads the log has ended (EPIPE)",
        is_alone: false,
        run: closed,
    },
    Fault {
        id: "file-name",
        title: "The file's name contains control characters for the terminal",
        is_alone: false,
        run: file_name,
    },
];

const CONTENT: &[u8] = b"content";

/// The space for the log until it is full, in KiB.
const LOG_KIB: u32 = 64;

/// The number of clients that fill the log. The three events of a client need more than 200 bytes.
const CLIENTS: usize = 600;

const TIMEOUT: Duration = Duration::from_secs(5);

fn full_disk(approach: &'static Approach) -> Result {
    let folder = TempFolder::new()?;
    let _disk = SmallDisk::mount(folder.path(), 4 * LOG_KIB)?;
    let filler = folder.path().join("filler");
    fs::write(&filler, vec![0; 3 * 1024 * LOG_KIB as usize])?;
    let log = folder.path().join("log");
    let start = Start::new(approach, &[])?.content(CONTENT)?.stdout(File::create(&log)?);
    let server = start.listen()?;
    check_log(server, &log, |_| Ok(fs::remove_file(&filler)?))
}

fn file_size_limit(approach: &'static Approach) -> Result {
    let server = Start::new(approach, &[])?.content(CONTENT)?.listen()?;
    server.limit(Resource::Fsize, Some(1024 * u64::from(LOG_KIB)))?;
    let log = server.path("log");
    check_log(server, &log, |server| server.limit(Resource::Fsize, None))
}

/// Fills the log, makes space for it, and checks that the log continues and contains or counts
/// every event.
fn check_log(
    mut server: Server,
    log: &Path,
    make_space: impl FnOnce(&Server) -> Result<()>,
) -> Result {
    let mut clients = 0;
    let mut serve = |server: &Server| {
        clients += 1;
        client::reply(server.addr, CONTENT, TIMEOUT)
    };
    for _ in 0..CLIENTS {
        if serve(&server).is_err() {
            return fail(server.end_or("no reply with a full log".to_owned()));
        }
    }
    let bytes = || fs::metadata(log).map_or(0, |metadata| metadata.len());
    let full_bytes = bytes();
    if !(1..=1024 * u64::from(LOG_KIB)).contains(&full_bytes) {
        return fail(format!("expected a full log, got {full_bytes} bytes"));
    }
    make_space(&server)?;
    let started = Instant::now();
    while bytes() <= full_bytes {
        serve(&server)?;
        if started.elapsed() > TIMEOUT {
            return fail(format!("no event within {} after there is space", elapsed(TIMEOUT)));
        }
        wait_until(Duration::from_millis(100), || bytes() > full_bytes);
    }
    let resumed = started.elapsed();
    server.terminate()?;
    // `listening`, `shutdown`, and three events per client.
    let counted = counted_events(&fs::read_to_string(log)?)?;
    match counted == 2 + 3 * clients {
        true => Ok(format!("resumed after {}, {counted} events", elapsed(resumed))),
        false => fail(format!("{counted} of {} events", 2 + 3 * clients)),
    }
}

/// Returns the number of events that are in the log, and of those that `dropped` counts. A line that
/// was written partially must not contain the beginning of another line.
fn counted_events(log: &str) -> Result<u64> {
    let mut counted = 0;
    for line in log.lines() {
        match serde_json::from_str::<Value>(line) {
            Ok(event) if event["event"] == "dropped" => {
                counted += event["events"].as_u64().unwrap_or(0);
            }
            Ok(_) => counted += 1,
            Err(_) if line.matches("\"at_us\"").count() > 1 => {
                return fail(format!("two events in one line: {line}"));
            }
            Err(_) => {}
        }
    }
    Ok(counted)
}

fn closed(approach: &'static Approach) -> Result {
    let start = Start::new(approach, &["--log-chunks"])?.content(CONTENT)?.stdout(Stdio::piped());
    let mut server = start.listen()?;
    drop(server.group.child().stdout.take());
    for _ in 0..100 {
        if client::reply(server.addr, CONTENT, TIMEOUT).is_err() {
            return fail(server.end_or("no reply".to_owned()));
        }
    }
    Ok(format!("100 replies, {}", server.terminate()?))
}

/// Serves a file whose name contains U+202E and U+009B, and checks that the server escapes both
/// characters. U+202E reverses the text that follows it, and U+009B begins a terminal command.
fn file_name(approach: &'static Approach) -> Result {
    let folder = TempFolder::new()?;
    let path = folder.path().join("a\u{202e}b\u{9b}c.bin");
    File::create(&path)?.write_all(CONTENT)?;
    for format in ["text", "json"] {
        let start = Start::new(approach, &["--log", format])?.file(&path);
        let mut server = start.listen()?;
        client::reply(server.addr, CONTENT, TIMEOUT)?;
        server.terminate()?;
        for (stream, text) in [("stdout", server.log()), ("stderr", server.stderr())] {
            if text.is_empty() || text.contains(['\u{202e}', '\u{9b}']) {
                return fail(format!("unescaped in {stream} with `--log {format}`"));
            }
        }
    }
    Ok("escaped".to_owned())
}
