//! Which bytes come: clauses 2, 3 and 12.

use std::time::{Duration, Instant};

use crate::check::{Check, Outcome, Stop, demand};
use crate::content::{difference, noise, shown};
use crate::server::{Server, Stage, Start};
use crate::target::{DEFAULT_CHUNK_BYTES, Settings};

const MIB: usize = 1 << 20;

pub const CHECKS: &[Check] = &[
    Check {
        id: "preamble",
        title: "The preamble is the ten bytes HTTP/1.1\\n\\n",
        clause: 2,
        stimulus: "a client connects and says nothing",
        expected: "within 2 s the first ten bytes are \"HTTP/1.1\\n\\n\"",
        hint: "Write the preamble as soon as the client connects, before anything is read from it. \
               The line ends are bare \\n, not \\r\\n.",
        is_heavy: false,
        run: preamble,
    },
    Check {
        id: "at-once",
        title: "The first byte does not wait for the client",
        clause: 2,
        stimulus: "five clients connect, one after the other, and say nothing",
        expected: "the quickest has its first byte within 0.2 s",
        hint: "Do not wait for a request, not even for a short time.",
        is_heavy: true,
        run: at_once,
    },
    Check {
        id: "preamble-http",
        title: "--preamble http is a true response header",
        clause: 2,
        stimulus: "the server is started with {preamble} = http, a client asks with GET",
        expected: "HTTP/1.1 200, Content-Type, Content-Length (the file's), Connection: close, all \
                   lines ended by \\r\\n, then the file",
        hint: "A header's lines end with \\r\\n, an empty line ends the header, and Content-Length \
               counts the file alone.",
        is_heavy: false,
        run: preamble_http,
    },
    Check {
        id: "preamble-none",
        title: "--preamble none is the file alone",
        clause: 2,
        stimulus: "the server is started with {preamble} = none",
        expected: "the file's bytes and nothing before them",
        hint: "With none, nothing goes before the file, not even an empty line.",
        is_heavy: false,
        run: preamble_none,
    },
    Check {
        id: "silent-client",
        title: "A client that says nothing gets the whole file",
        clause: 2,
        stimulus: "a client connects, says nothing, and reads",
        expected: "preamble, file, FIN",
        hint: "Do not wait for a request: this is not HTTP, the server speaks first.",
        is_heavy: false,
        run: |stage| stage.serve(noise(300_000))?.expect_whole(noise(300_000)),
    },
    Check {
        id: "with-request",
        title: "A client that sends a request gets the whole file",
        clause: 2,
        stimulus: "a client sends GET / HTTP/1.1 with headers, and reads",
        expected: "preamble, file, FIN",
        hint: "What the client sends is read and thrown away; it changes nothing.",
        is_heavy: false,
        run: with_request,
    },
    Check {
        id: "size-0",
        title: "An empty file is the preamble alone",
        clause: 3,
        stimulus: "the file has 0 bytes",
        expected: "the preamble, then FIN",
        hint: "An empty file is no error: preamble, then the end.",
        is_heavy: false,
        run: |stage| stage.serve(b"")?.expect_whole(b""),
    },
    Check {
        id: "size-1",
        title: "A file of one byte is whole",
        clause: 3,
        stimulus: "the file has 1 byte",
        expected: "the preamble, the byte, then FIN",
        hint: "The last chunk may be shorter than a chunk.",
        is_heavy: false,
        run: |stage| stage.serve(b"x")?.expect_whole(b"x"),
    },
    Check {
        id: "size-around-chunk",
        title: "Files of one byte less, the same, and one more than a chunk are whole",
        clause: 3,
        stimulus: "files of chunk − 1, chunk, chunk + 1 and 3 × chunk + 1 bytes",
        expected: "preamble, file, FIN for each",
        hint: "The last chunk is what is left over, often less than a chunk: send exactly as many \
               bytes as were read.",
        is_heavy: false,
        run: size_around_chunk,
    },
    Check {
        id: "size-8-mib",
        title: "A file of 8 MiB is whole",
        clause: 3,
        stimulus: "the file has 8 MiB of noise",
        expected: "preamble, file, FIN",
        hint: "One write may take only a part of what it is given: write the rest too, or use what \
               your language calls write-all.",
        is_heavy: false,
        run: |stage| stage.serve(noise(8 * MIB))?.expect_whole(noise(8 * MIB)),
    },
    Check {
        id: "binary",
        title: "Every byte value comes through as it is",
        clause: 3,
        stimulus: "the file holds all 256 byte values, NUL, \\r\\n, \\n\\r and the preamble itself",
        expected: "preamble, file, FIN",
        hint: "Read and write bytes, not text: no encoding, no conversion of line ends.",
        is_heavy: false,
        run: binary,
    },
    Check {
        id: "one-byte-chunks",
        title: "With chunks of one byte the file is whole",
        clause: 3,
        stimulus: "the server is started with {chunk} = 1, the file has 5,000 bytes",
        expected: "preamble, file, FIN; if it tells chunk events, each is of 1 byte",
        hint: "The chunk size is what one read asks for, and what one write is given.",
        is_heavy: false,
        run: one_byte_chunks,
    },
    Check {
        id: "nothing-else",
        title: "A request chooses no file",
        clause: 12,
        stimulus: "clients ask for /secret, /../secret and an absolute path; a file secret lies \
                   beside the served one",
        expected: "the one file, each time",
        hint: "The path comes from the command line alone. Whatever the client says is not looked at.",
        is_heavy: false,
        run: nothing_else,
    },
];

fn preamble(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(300_000))?;
    let client = server.connect()?;
    let expected = server.preamble();
    let (got, ending) = client.read_until_end(Duration::from_secs(2));
    let got = &got[..got.len().min(expected.len())];
    demand!(!got.is_empty(), "no byte within 2 s; then {ending}");
    match difference(got, expected) {
        None => Ok(()),
        Some(difference) => Err(Stop::fail(difference)),
    }
}

fn at_once(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(1000))?;
    let mut quickest = Duration::MAX;
    for _ in 0..5 {
        let started = Instant::now();
        let client = server.connect()?;
        client.read_exactly(1)?;
        quickest = quickest.min(started.elapsed());
        client.read_until_end(Duration::from_secs(5));
    }
    // A busy computer makes some of them slow; a server that waits, all.
    let quickest = quickest.as_millis();
    demand!(quickest < 200, "the quickest of five silent clients waited {quickest} ms");
    Ok(())
}

fn with(stage: &Stage<'_>, preamble: &'static str, content: &[u8]) -> Result<Start, Stop> {
    stage.target.needs("{preamble}")?;
    stage.write(content)?;
    Ok(Start { settings: Settings { preamble, ..Settings::default() }, ..Start::default() })
}

fn preamble_http(stage: &Stage<'_>) -> Outcome {
    let start = with(stage, "http", noise(70_000))?;
    let server = stage.start(start)?;
    expect_http(&server, noise(70_000))?;
    // A length that was taken once is wrong from now on.
    stage.write(noise(2000))?;
    expect_http(&server, noise(2000))
}

fn expect_http(server: &Server, content: &[u8]) -> Outcome {
    let client = server.connect()?;
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let (got, ending) = client.read_reply();
    let Some(end) = got.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Err(Stop::fail(format!("no empty line ends the header: \"{}\"", shown(&got))));
    };
    let (header, body) = (&got[..end + 4], &got[end + 4..]);
    let header = String::from_utf8_lossy(header);
    expect_header(&header, "200", content.len())?;
    let has_type = field(&header, "content-type").is_some_and(|value| !value.is_empty());
    demand!(has_type, "no Content-Type in \"{}\"", header.escape_debug());
    match difference(body, content) {
        Some(difference) => Err(Stop::fail(format!("after the header: {difference}; {ending}"))),
        None => client.expect_reply(&[], &[], ending),
    }
}

/// The lines of a header that every reply needs.
pub fn expect_header(header: &str, status: &str, bytes: usize) -> Outcome {
    let shown = header.escape_debug();
    let is_crlf = header.matches('\n').count() == header.matches("\r\n").count();
    demand!(is_crlf, "a line of the header ends without \\r: \"{shown}\"");
    let first = header.lines().next().unwrap_or_default();
    let is_status =
        first.strip_prefix("HTTP/1.1 ").is_some_and(|rest| rest.split(' ').next() == Some(status));
    demand!(is_status, "the status line is \"{first}\" instead of HTTP/1.1 {status}");
    for (name, value) in [("content-length", bytes.to_string()), ("connection", "close".into())] {
        let actual = field(header, name);
        let is_right = actual.is_some_and(|actual| actual.eq_ignore_ascii_case(&value));
        demand!(is_right, "no \"{name}: {value}\" in \"{shown}\"");
    }
    Ok(())
}

/// The value of a header's field.
fn field<'h>(header: &'h str, name: &str) -> Option<&'h str> {
    let fields = header.lines().skip(1).filter_map(|line| line.split_once(':'));
    let mut values = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
    values.next().map(|(_, value)| value.trim())
}

fn preamble_none(stage: &Stage<'_>) -> Outcome {
    let content = noise(70_000);
    let start = with(stage, "none", content)?;
    stage.start(start)?.expect_whole(content)
}

fn with_request(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(300_000))?;
    let client = server.connect()?;
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n")?;
    client.expect_whole(noise(300_000))
}

fn size_around_chunk(stage: &Stage<'_>) -> Outcome {
    let chunk = if stage.target.takes("{chunk}") { 4096 } else { DEFAULT_CHUNK_BYTES };
    let settings = Settings { chunk_bytes: chunk, ..Settings::default() };
    stage.write(b"")?;
    let server = stage.start(Start { settings, ..Start::default() })?;
    for bytes in [chunk - 1, chunk, chunk + 1, 3 * chunk + 1] {
        stage.write(noise(bytes))?;
        server.expect_whole(noise(bytes)).map_err(|stop| match stop {
            Stop::Fail(actual) => Stop::fail(format!("with {bytes} bytes: {actual}")),
            other => other,
        })?;
    }
    Ok(())
}

fn binary(stage: &Stage<'_>) -> Outcome {
    let mut content: Vec<u8> = (0..=255).collect();
    content.extend_from_slice(b"\0\0\r\n\n\r\r\nHTTP/1.1\n\n\xff\xfe\xef\xbb\xbf\x1a\x04");
    stage.serve(&content)?.expect_whole(&content)
}

fn one_byte_chunks(stage: &Stage<'_>) -> Outcome {
    stage.target.needs("{chunk}")?;
    let content = noise(5000);
    stage.write(content)?;
    let settings = Settings { chunk_bytes: 1, ..Settings::default() };
    let server = stage.start(Start { settings, ..Start::default() })?;
    server.expect_whole(content)?;
    // Whoever prints something else tells no events; whoever prints nothing may still begin.
    let prints_else = server.events().is_none() && !server.lines().is_empty();
    if prints_else || !server.wait_for_events(Duration::from_secs(1), |events| !events.is_empty()) {
        return Ok(());
    }
    let is_logged = server.wait_for_events(Duration::from_secs(5), |events| {
        events.iter().any(|event| event["event"] == "file_ended")
    });
    if !is_logged {
        return Ok(());
    }
    let events = server.events().unwrap_or_default();
    let chunks = events.iter().filter(|event| event["event"] == "chunk");
    let longest = chunks.filter_map(|event| event["bytes"].as_u64()).max();
    let longest = longest.unwrap_or(1);
    demand!(longest == 1, "a chunk event tells {longest} bytes");
    Ok(())
}

fn nothing_else(stage: &Stage<'_>) -> Outcome {
    let content = b"the one file that is served";
    let server = stage.serve(content)?;
    let secret = stage.file().with_file_name("secret");
    std::fs::write(&secret, "secret")?;
    for path in ["/secret", "/../secret", "//etc/passwd", &secret.display().to_string()] {
        let client = server.connect()?;
        client.send(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes())?;
        client.expect_whole(content)?;
    }
    Ok(())
}
