//! Files that change: clauses 2, 3, 4 and 8.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::check::{Check, Outcome, Stop, demand};
use crate::checks::bytes::expect_header;
use crate::client::Ending;
use crate::content::{difference, noise};
use crate::server::{Server, Stage, Start};
use crate::system;
use crate::target::Settings;

/// Many times what the kernel keeps for a client with a small buffer.
const LONG: u64 = 8 << 20;

pub const CHECKS: &[Check] = &[
    Check {
        id: "opened-anew",
        title: "A file that was replaced is new for the next client",
        clause: 2,
        stimulus: "a client is served; another file takes the name; the next client comes",
        expected: "the first gets the old file, the second the new one, whole",
        hint: "Open the file, and ask for its length, for every client; not once at start.",
        is_heavy: false,
        run: opened_anew,
    },
    Check {
        id: "grown-file",
        title: "A file that grows while it is sent keeps its length",
        clause: 4,
        stimulus: "a client has read the first bytes of an 8 MiB file when 1 MB is appended",
        expected: "exactly 8 MiB, then FIN",
        hint: "Take the length when the file is opened, and send exactly so much.",
        is_heavy: false,
        run: grown_file,
    },
    Check {
        id: "shrunk-file",
        title: "A file that shrinks while it is sent ends the connection; nothing is padded",
        clause: 4,
        stimulus: "a client has read the first bytes of an 8 MiB file when it is cut to 4 MiB",
        expected: "the connection ends in time with at most 4 MiB; the next client is served",
        hint: "A read of 0 bytes before the end means that the file became shorter: end this \
               connection. Do not try again, and do not fill up.",
        is_heavy: false,
        run: shrunk_file,
    },
    Check {
        id: "missing-file",
        title: "A missing file ends one connection, not the server",
        clause: 8,
        stimulus: "the file is moved away; a client comes and speaks; the file is moved back",
        expected: "the preamble alone, then FIN; the next client is served",
        hint: "An error of opening belongs to this client. Tell it what the preamble can say, end \
               the connection as always, and go on.",
        is_heavy: false,
        run: missing_file,
    },
    Check {
        id: "missing-file-http",
        title: "With --preamble http a missing file is an empty 404",
        clause: 8,
        stimulus: "the server is started with {preamble} = http, the file is moved away",
        expected: "HTTP/1.1 404 with Content-Length: 0, then FIN",
        hint: "Open the file before you write the header: only then you know which one.",
        is_heavy: false,
        run: missing_file_http,
    },
    Check {
        id: "folder-instead",
        title: "A folder in the file's place ends one connection, not the server",
        clause: 8,
        stimulus: "a folder takes the file's name; a client comes; then nothing has it, and a client \
                   comes; then the file is back",
        expected: "no more than the preamble, then FIN; the next client is served",
        hint: "Some systems open a folder like a file; reading it fails. Both belong to this client.",
        is_heavy: false,
        run: folder_instead,
    },
    Check {
        id: "memory",
        title: "Memory does not grow with the file",
        clause: 3,
        stimulus: "four clients take the first byte of a file of 256 MiB and pause for 3 s",
        expected: "the server's own memory grows by less than 64 MiB",
        hint: "Read a chunk, write it whole, then read the next. Whoever reads faster than the \
               client takes keeps the file in memory.",
        is_heavy: true,
        run: memory,
    },
    Check {
        id: "memory-of-upload",
        title: "Memory does not grow with what the client says",
        clause: 12,
        stimulus: "a client sends 128 MiB and reads nothing of a long file",
        expected: "the server's own memory grows by less than 64 MiB",
        hint: "Throw away what the client sends as soon as it is read and counted.",
        is_heavy: true,
        run: memory_of_upload,
    },
];

fn memory_of_upload(stage: &Stage<'_>) -> Outcome {
    const UPLOAD_BYTES: usize = 128 << 20;
    const GROWTH_BYTES_MAX: u64 = 64 << 20;
    let server = stage.serve(noise(1000))?;
    server.expect_whole(noise(1000))?;
    stage.set_len(LONG)?;
    let Some(before) = system::memory_bytes(server.group()) else {
        return Err(Stop::not_applicable("this system does not tell a process's memory in /proc"));
    };
    // It reads nothing of a long file, so the server is still at it while it hears all this.
    let client = server.connect_small()?;
    for _ in 0..UPLOAD_BYTES >> 20 {
        client.send(noise(1 << 20))?;
    }
    let grown = system::memory_bytes(server.group()).unwrap_or(0).saturating_sub(before);
    let mib = grown >> 20;
    demand!(grown < GROWTH_BYTES_MAX, "it grew by {mib} MiB while a client sent 128 MiB");
    Ok(())
}

fn opened_anew(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(1000))?;
    server.expect_whole(noise(1000))?;
    let new = &noise(200_000)[50_000..];
    let other = stage.file().with_extension("new");
    fs::write(&other, new)?;
    fs::rename(&other, stage.file())?;
    server.expect_whole(new)
}

fn grown_file(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve_zeros(LONG)?;
    let client = server.connect_small()?;
    let preamble = server.preamble().len();
    client.read_exactly(preamble + 1)?;
    stage.set_len(LONG + 1_000_000)?;
    let (rest, ending) = client.read_reply();
    let got = rest.len() as u64 + 1;
    demand!(got == LONG, "{got} bytes of the file instead of {LONG}; then {ending}");
    client.expect_reply(server.preamble(), &[], ending)
}

fn shrunk_file(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve_zeros(LONG)?;
    let client = server.connect_small()?;
    client.read_exactly(server.preamble().len() + 1)?;
    stage.set_len(LONG / 2)?;
    let (rest, ending) = client.read_reply();
    let got = rest.len() as u64 + 1;
    demand!(
        got <= LONG / 2,
        "{got} bytes of a file that has {}: filled up or read ahead",
        LONG / 2
    );
    let is_over = matches!(ending, Ending::Fin | Ending::Reset);
    demand!(is_over, "{got} bytes, then {ending}: the connection does not end");
    drop(client);
    stage.write(b"short")?;
    server.expect_whole(b"short")
}

fn missing_file(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(1000))?;
    let away = stage.file().with_extension("away");
    for _ in 0..2 {
        fs::rename(stage.file(), &away)?;
        let client = server.connect()?;
        client.send(b"GET / HTTP/1.1\r\n\r\n")?;
        client.expect_whole(b"")?;
        drop(client);
        fs::rename(&away, stage.file())?;
        server.expect_whole(noise(1000))?;
    }
    Ok(())
}

fn missing_file_http(stage: &Stage<'_>) -> Outcome {
    stage.target.needs("{preamble}")?;
    stage.write(noise(1000))?;
    let settings = Settings { preamble: "http", ..Settings::default() };
    let server = stage.start(Start { settings, ..Start::default() })?;
    fs::remove_file(stage.file())?;
    let client = server.connect()?;
    client.send(b"GET / HTTP/1.1\r\n\r\n")?;
    let (got, ending) = client.read_reply();
    let header = String::from_utf8_lossy(&got);
    expect_header(&header, "404", 0)?;
    let end = header.find("\r\n\r\n").map_or(0, |at| at + 4);
    match difference(&got[end..], b"") {
        Some(difference) => Err(Stop::fail(format!("after the header: {difference}"))),
        None => client.expect_reply(&[], &[], ending),
    }
}

fn folder_instead(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(1000))?;
    fs::remove_file(stage.file())?;
    fs::create_dir(stage.file())?;
    expect_at_most_preamble(&server)?;
    fs::remove_dir(stage.file())?;
    expect_at_most_preamble(&server)?;
    stage.write(noise(1000))?;
    server.expect_whole(noise(1000))
}

/// That it is exactly the preamble is the matter of `missing-file`.
fn expect_at_most_preamble(server: &Server) -> Outcome {
    let client = server.connect()?;
    let (got, ending) = client.read_reply();
    match got.is_empty() && ending == Ending::Fin {
        true => Ok(()),
        false => client.expect_reply(&got, b"", ending),
    }
}

fn memory(stage: &Stage<'_>) -> Outcome {
    const FILE_BYTES: u64 = 256 << 20;
    const GROWTH_BYTES_MAX: u64 = 64 << 20;
    let server = stage.serve(noise(1000))?;
    // What a runtime fills at its first client is not what we are after.
    server.expect_whole(noise(1000))?;
    stage.set_len(FILE_BYTES)?;
    let Some(before) = system::memory_bytes(server.group()) else {
        return Err(Stop::not_applicable("this system does not tell a process's memory in /proc"));
    };
    let clients: Vec<_> = (0..4).map(|_| server.connect_small()).collect::<Result<_, _>>()?;
    for client in &clients {
        client.read_exactly(1)?;
    }
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(3) {
        let now = system::memory_bytes(server.group()).unwrap_or(0);
        let grown = now.saturating_sub(before);
        let mib = grown >> 20;
        demand!(grown < GROWTH_BYTES_MAX, "it grew by {mib} MiB while four clients took nothing");
        thread::sleep(Duration::from_millis(100));
    }
    server.expect_alive()
}
