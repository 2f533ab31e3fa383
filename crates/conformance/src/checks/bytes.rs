//! Checks of a reply's bytes (clauses 2, 3 and 12).

use std::fs;

use super::common::*;
use super::header::{expect_http, field};
use crate::difference::difference;
use crate::target::DEFAULT_CHUNK_BYTES;

/// The time limit for the end of a reply in `at-once`.
const END_LIMIT: Duration = Duration::from_secs(5);

pub const CHECKS: &[Check] = &[
    Check {
        id: "preamble",
        title: "The preamble consists of the ten bytes HTTP/1.1\\n\\n",
        clause: 2,
        stimulus: "a client connects and sends nothing",
        expected: "the client receives the ten bytes \"HTTP/1.1\\n\\n\" within 2 s",
        hint: "Write the preamble as soon as a client connects, before you read from the client. \
               End each line with \\n, not with \\r\\n.",
        run: Light(preamble),
    },
    Check {
        id: "at-once",
        title: "The server replies without waiting for data from the client",
        clause: 2,
        stimulus: "five clients connect one after another, send nothing, and keep their sockets \
                   open; then they disconnect, and 260 clients connect one after another",
        expected: "the fastest client receives its first byte within 80 ms; the server ends each \
                   connection, and serves at least 20 more clients within 5 s",
        hint: "Reply immediately. Do not wait for a request or for a fixed time.",
        run: Heavy(at_once),
    },
    Check {
        id: "preamble-http",
        title: "The http preamble is a complete response header",
        clause: 2,
        stimulus: "the server is started with {preamble} = http; a client sends a GET request",
        expected: "a header with HTTP/1.1 200, Content-Type, Content-Length (the length of the \
                   file) and Connection: close; each header line ends with \\r\\n; then the file",
        hint: "End each header line with \\r\\n, and write an empty line after the last header \
               line. Set Content-Length to the length of the file, without the header.",
        run: Light(preamble_http),
    },
    Check {
        id: "preamble-none",
        title: "With the preamble \"none\", the reply is only the file",
        clause: 2,
        stimulus: "the server is started with {preamble} = none; a client connects and reads the \
                   reply",
        expected: "the client receives the bytes of the file, and no bytes before them",
        hint: "With the preamble \"none\", send nothing before the file, not even an empty line.",
        run: Light(preamble_none),
    },
    Check {
        id: "silent-client",
        title: "A client that sends nothing gets the whole file",
        clause: 2,
        stimulus: "a client connects, sends nothing, and reads the reply",
        expected: "preamble, file, FIN",
        hint: "Do not wait for a request. In this protocol, the server starts to send before the \
               client does.",
        run: Light(|stage| stage.serve(noise(300_000))?.expect_whole(noise(300_000))),
    },
    Check {
        id: "with-request",
        title: "A client that sends a request gets the whole file",
        clause: 2,
        stimulus: "a client sends a GET request with header fields and reads the reply",
        expected: "preamble, file, FIN",
        hint: "Read and discard what the client sends. The reply does not depend on the request.",
        run: Light(|stage| {
            stage.serve(noise(300_000))?.expect_whole_after(REQUEST, noise(300_000))
        }),
    },
    Check {
        id: "size-0",
        title: "If the file is empty, the server sends only the preamble",
        clause: 3,
        stimulus: "the file is empty; two clients connect and read the reply, one after the other",
        expected: "preamble, FIN",
        hint: "An empty file is not an error. Send the preamble and then the FIN.",
        run: Light(|stage| expect_twice(stage, b"")),
    },
    Check {
        id: "size-1",
        title: "A file of one byte is sent completely",
        clause: 3,
        stimulus: "the file has 1 byte; two clients connect and read the reply, one after the \
                   other",
        expected: "preamble, 1 byte, FIN",
        hint: "Send the last chunk even if it is shorter than the chunk size.",
        run: Light(|stage| expect_twice(stage, b"x")),
    },
    Check {
        id: "size-around-chunk",
        title: "Files that are slightly shorter or longer than a chunk are sent completely",
        clause: 3,
        stimulus: "the server sends four files; for a chunk size of c, their lengths are c − 1, c, \
                   c + 1 and 3 × c + 1; if the command contains {chunk}, this is done with chunk \
                   sizes of 4096, 1000, 4097 and 3 million bytes",
        expected: "for each file: preamble, file, FIN",
        hint: "The last chunk is usually shorter than the chunk size. Send exactly as many bytes \
               as you read from the file.",
        run: Light(size_around_chunk),
    },
    Check {
        id: "size-8-mib",
        title: "A file of 8 MiB is sent completely",
        clause: 3,
        stimulus: "the file contains 8 MiB of pseudorandom bytes; two clients connect and read the \
                   reply, one after the other",
        expected: "preamble, file, FIN",
        hint: "If a write accepts only some of the bytes, write the remaining bytes.",
        run: Light(|stage| expect_twice(stage, noise(8 * MIB))),
    },
    Check {
        id: "binary",
        title: "All byte values are sent unchanged",
        clause: 3,
        stimulus: "the file contains all 256 byte values, \\0\\0, \\r\\n, \\n\\r and the preamble",
        expected: "preamble, file, FIN",
        hint: "Read and write bytes, not text. Do not convert the encoding or the line endings.",
        run: Light(binary),
    },
    Check {
        id: "chunk-size",
        title: "The server reads at most one chunk at a time",
        clause: 3,
        stimulus: "the server is started with {chunk} = 1000; a client reads a file of 100 chunks; \
                   the same is done with {chunk} = 4097",
        expected: "the server makes at least 100 system calls that read from the file",
        hint: "Read {chunk} bytes at a time, even if this number is not a power of two. A reader \
               with an internal buffer reads more bytes at a time.",
        run: Light(chunk_size),
    },
    Check {
        id: "one-byte-chunks",
        title: "With a chunk size of one byte, the file is sent completely",
        clause: 3,
        stimulus: "the server is started with {chunk} = 1; the file has 2000 bytes",
        expected: "preamble, file, FIN; if the server logs chunk events, each event reports 1 byte",
        hint: "Read {chunk} bytes at a time, and write them before you read the next bytes.",
        run: Light(one_byte_chunks),
    },
    Check {
        id: "request-ignored",
        title: "A request does not select a file",
        clause: 12,
        stimulus: "clients request /secret, /../secret and an absolute path; a file named secret \
                   is in the directory of the served file",
        expected: "each client gets the served file, not the file named secret",
        hint: "Take the path of the file only from the command line. Do not use data from clients \
               to select a file.",
        run: Light(request_ignored),
    },
];

fn preamble(stage: &Stage) -> Outcome {
    let server = stage.serve(noise(300_000))?;
    let client = server.connect()?;
    let expected = server.preamble;
    let (got, ending) = client.read_until_end(Duration::from_secs(2));
    let got = &got[..got.len().min(expected.len())];
    demand!(!got.is_empty(), "expected the first byte within 2 s, got {ending}");
    difference(got, expected).map_or(Ok(()), |difference| Err(Stop::fail(difference)))
}

fn expect_twice(stage: &Stage, content: &[u8]) -> Outcome {
    let server = stage.serve(content)?;
    server.expect_whole(content)?;
    server.expect_whole(content).context("the second client")
}

/// The number of further clients in [`at_once`]. A counter of one byte is too small for this number.
const MORE_CLIENTS: usize = 260;

fn at_once(stage: &Stage) -> Outcome {
    let server = stage.serve(noise(1000))?;
    let mut fastest = Duration::MAX;
    let before = server.usage(usage::descriptors);
    let mut clients = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        let client = server.connect()?;
        client.read_exactly(1)?;
        fastest = fastest.min(started.elapsed());
        let (_, ending) = client.read_until_end(END_LIMIT);
        let is_closed = !matches!(ending, Ending::Timeout { .. });
        let s = END_LIMIT.as_secs();
        demand!(is_closed, "expected the end of the connection within {s} s, got {ending}");
        // The server must not wait until this client closes its socket.
        clients.push(client);
    }
    drop(clients);
    // On a busy computer, some clients receive their first byte late. If the server waits for a
    // request, all clients receive it late.
    let ms = fastest.as_millis();
    demand!(
        ms < 80,
        "expected the first byte of the fastest of five clients within 80 ms, got {ms} ms"
    );
    let started = Instant::now();
    for number in 1..=MORE_CLIENTS {
        let (got, _) = server.connect()?.read_until_end(END_LIMIT);
        let is_served = !got.is_empty();
        demand!(is_served, "expected a reply to client {number} of {MORE_CLIENTS}, got none");
        // On a busy computer, a correct server may be slow, but it still serves 20 clients in time.
        if started.elapsed() > END_LIMIT {
            let s = END_LIMIT.as_secs();
            let got = number - 1;
            demand!(got >= 20, "expected replies to 20 more clients within {s} s, got {got}");
            break;
        }
    }
    // Only Linux provides the number of descriptors.
    let Ok(before) = before else { return Ok(()) };
    for _ in 0..12 {
        server.connect()?.read_until_end(END_LIMIT);
    }
    server.expect_descriptors(before + 8, END_LIMIT, "17 clients that closed their connections")
}

fn preamble_http(stage: &Stage) -> Outcome {
    stage.target.require("{preamble}")?;
    let settings = Settings { preamble: "http", ..Settings::default() };
    let server = stage.serve_with(settings, noise(70_000))?;
    // A server that determines the length only once sends an incorrect length with the second file.
    for content in [noise(70_000), noise(2000)] {
        stage.write(content)?;
        let header = expect_http(&server, &["200"], content)?;
        let has_type = field(&header, "content-type").is_some_and(|value| !value.is_empty());
        demand!(
            has_type,
            "expected a Content-Type field, got none in \"{}\"",
            header.escape_debug()
        );
    }
    Ok(())
}

fn preamble_none(stage: &Stage) -> Outcome {
    stage.target.require("{preamble}")?;
    let settings = Settings { preamble: "none", ..Settings::default() };
    stage.serve_with(settings, noise(70_000))?.expect_whole(noise(70_000))
}

fn size_around_chunk(stage: &Stage) -> Outcome {
    if !stage.target.has("{chunk}") {
        return expect_sizes_around(stage, DEFAULT_CHUNK_BYTES);
    }
    [4096, 1000, 4097, 3_000_000].into_iter().try_for_each(|chunk_bytes| {
        expect_sizes_around(stage, chunk_bytes).context(format_args!("chunk size {chunk_bytes}"))
    })
}

fn expect_sizes_around(stage: &Stage, chunk_bytes: usize) -> Outcome {
    let server = stage.serve_with(Settings { chunk_bytes, ..Settings::default() }, b"")?;
    for bytes in [chunk_bytes - 1, chunk_bytes, chunk_bytes + 1, 3 * chunk_bytes + 1] {
        stage.write(noise(bytes))?;
        server.expect_whole(noise(bytes)).context(format_args!("with a file of {bytes} bytes"))?;
    }
    Ok(())
}

fn chunk_size(stage: &Stage) -> Outcome {
    const CHUNKS: usize = 100;
    stage.target.require("{chunk}")?;
    for chunk_bytes in [1000, 4097] {
        let content = noise(CHUNKS * chunk_bytes);
        let server = stage.serve_with(Settings { chunk_bytes, ..Settings::default() }, content)?;
        let before = server.usage(usage::read_calls)?;
        server.expect_whole(content)?;
        let calls = server.usage(usage::read_calls)?.saturating_sub(before);
        demand!(
            calls >= CHUNKS as u64,
            "expected at least {CHUNKS} reads of at most {chunk_bytes} bytes, got {calls} reads"
        );
    }
    Ok(())
}

fn binary(stage: &Stage) -> Outcome {
    let mut content: Vec<u8> = (0..=255).collect();
    content.extend_from_slice(b"\0\0\r\n\n\r\r\nHTTP/1.1\n\n\xff\xfe\xef\xbb\xbf\x1a\x04");
    stage.serve(&content)?.expect_whole(&content)
}

fn one_byte_chunks(stage: &Stage) -> Outcome {
    stage.target.require("{chunk}")?;
    let content = noise(2000);
    let settings = Settings { chunk_bytes: 1, ..Settings::default() };
    let server = stage.serve_with(settings, content)?;
    server.expect_whole(content)?;
    // If the server has not printed anything yet, its first event may arrive later.
    let prints_text = server.events().is_none() && !server.process.lines().is_empty();
    if prints_text || !server.wait_for_events(Duration::from_secs(1), |events| !events.is_empty()) {
        return Ok(());
    }
    server.wait_for_events(Duration::from_secs(5), |events| {
        events.iter().any(|event| event["event"] == "file_ended")
    });
    let events = server.events().unwrap_or_default();
    let chunks = events.iter().filter(|event| event["event"] == "chunk");
    let longest = chunks.filter_map(|event| event["bytes"].as_u64()).max().unwrap_or(1);
    demand!(longest == 1, "expected chunk events of 1 byte, got one of {longest} bytes");
    Ok(())
}

fn request_ignored(stage: &Stage) -> Outcome {
    let content = b"the content of the served file";
    let server = stage.serve(content)?;
    let secret = stage.file().with_file_name("secret");
    fs::write(&secret, "secret")?;
    for path in ["/secret", "/../secret", "//etc/passwd", &secret.display().to_string()] {
        server.expect_whole_after(&format!("GET {path} HTTP/1.1\r\n\r\n"), content)?;
    }
    Ok(())
}
