//! Checks of changes to the file, and of memory use (clauses 2, 3, 4, 8 and 12).

use std::fs;

use super::common::*;
use super::header::expect_http;

/// The length of a file that is many times larger than the kernel's buffers for a client with a
/// small receive buffer.
const FILE_BYTES: u64 = 8 << 20;

pub const CHECKS: &[Check] = &[
    Check {
        id: "replaced-file",
        title: "After the file is replaced, the next client gets the new content",
        clause: 2,
        stimulus: "a client reads the whole reply; then a longer file, a shorter file, and a file \
                   of the same length but with other content replace the served file, one after \
                   the other; a client connects after each change; the last client reads one byte \
                   before another file replaces the file",
        expected: "each client gets the content that the file has when the client connects",
        hint: "Open the file and determine its length for every client, not only at startup.",
        run: Light(replaced_file),
    },
    Check {
        id: "grown-file",
        title: "A file that grows is sent with its original length",
        clause: 4,
        stimulus: "a client reads the first byte of a file of 8 MiB; then 1 MB is appended to the \
                   file",
        expected: "exactly 8 MiB of the file, then FIN",
        hint: "Determine the length when you open the file, and send exactly that many bytes.",
        run: Light(grown_file),
    },
    Check {
        id: "shrunk-file",
        title: "If the file shrinks, the connection ends without padding",
        clause: 4,
        stimulus: "a client reads the first byte of a file of 8 MiB; then the file is shortened to \
                   4 MiB",
        expected: "the connection ends after at most 4 MiB of the file; the next client gets the \
                   whole file",
        hint: "If a read returns 0 bytes before the expected length, the file has become shorter. \
               End this connection. Do not retry the read, and do not pad the reply.",
        run: Light(shrunk_file),
    },
    Check {
        id: "missing-file",
        title: "A missing file ends only one connection",
        clause: 8,
        stimulus: "the file is moved away; a client sends a request; the file is moved back; the \
                   next client connects; the same is done again, but a longer file appears",
        expected: "the preamble without a file, then FIN; the next client gets the whole file",
        hint: "If you cannot open the file, end only this connection. Send the preamble, close the \
               connection as usual, and continue to accept clients.",
        run: Light(missing_file),
    },
    Check {
        id: "missing-file-http",
        title: "With the http preamble, the reply for a missing file is an empty 404 response",
        clause: 8,
        stimulus: "the server is started with {preamble} = http; the file is removed; a client \
                   sends a GET request; then a symbolic link to itself replaces the file, and \
                   another client sends the request (not on Windows)",
        expected: "HTTP/1.1 404 with Content-Length: 0 and an empty line, then FIN; for the link, the \
                   status can also be 503",
        hint: "Open the file before you write the header, because the status depends on it. \
               Send a response after every error from open. An empty line ends a header, even if \
               no body follows.",
        run: Light(missing_file_http),
    },
    Check {
        id: "folder-instead",
        title: "A directory in place of the file ends only one connection",
        clause: 8,
        stimulus: "a directory replaces the file; the first client connects; the directory is \
                   removed; the second client connects; the file is restored; the third client \
                   connects",
        expected: "the first two clients get at most the preamble, then FIN; the third client gets \
                   the whole file",
        hint: "Opening a directory fails on some systems. On other systems, only reading the \
               directory fails. In both cases, end only this connection.",
        run: Light(folder_instead),
    },
    Check {
        id: "memory",
        title: "Memory does not grow with the length of the file",
        clause: 3,
        stimulus: "the file has 256 MiB; four clients connect and read nothing for 1.5 s",
        expected: "the server's memory grows by less than 64 MiB",
        hint: "Read a chunk, write it completely, and only then read the next chunk. If you read \
               the file faster than the client receives it, the data accumulates in memory.",
        run: Heavy(memory),
    },
    Check {
        id: "memory-of-upload",
        title: "Memory does not grow with the data that a client sends",
        clause: 12,
        stimulus: "the file has 8 MiB; a client sends 128 MiB without a newline and reads nothing; 100 clients send \
                   1 MiB each and read nothing; a client reads the whole reply and then sends 128 \
                   MiB",
        expected: "each time, the server's memory grows by less than 64 MiB",
        hint: "Discard the client's data as soon as you have read and counted it, while you send \
               the file and afterward.",
        run: Heavy(memory_of_upload),
    },
];

fn replaced_file(stage: &Stage) -> Outcome {
    let server = stage.serve(noise(1000))?;
    server.expect_whole(noise(1000))?;
    let longer = &noise(200_000)[50_000..];
    let (shorter, other) = (&longer[500..800], &longer[900..1200]);
    let files = [
        (longer, "after a longer file"),
        (shorter, "after a shorter file"),
        (other, "after a file of the same length"),
    ];
    for (content, circumstances) in files {
        stage.replace(content)?;
        server.expect_whole(content).context(circumstances)?;
    }
    let long = noise(2 * MIB);
    stage.replace(long)?;
    let client = server.connect_small()?;
    let got = client.read_exactly(server.preamble.len() + 1)?;
    stage.replace(other)?;
    client.expect_rest(got, long).context("when the file was replaced during the transfer")
}

/// Connects a client, changes the length of the file after the client has received the file's first
/// byte, and reads the rest of the reply. Returns the client, the number of bytes of the file that
/// the client received, and the end of the connection.
fn change_length(
    stage: &Stage,
    server: &Server,
    bytes: u64,
) -> Result<(Client, u64, Ending), Stop> {
    let client = server.connect_small()?;
    client.read_exactly(server.preamble.len() + 1)?;
    stage.set_len(bytes)?;
    let (rest, ending) = client.read_reply();
    Ok((client, rest.len() as u64 + 1, ending))
}

fn grown_file(stage: &Stage) -> Outcome {
    let server = stage.serve_zeros(FILE_BYTES)?;
    let (client, got, ending) = change_length(stage, &server, FILE_BYTES + 1_000_000)?;
    let is_correct = got == FILE_BYTES;
    demand!(is_correct, "expected {FILE_BYTES} bytes of the file, got {got}; then {ending}");
    client.expect_reply(server.preamble, &[], ending)
}

fn shrunk_file(stage: &Stage) -> Outcome {
    const SHORT_BYTES: u64 = FILE_BYTES / 2;
    let server = stage.serve_zeros(FILE_BYTES)?;
    let (client, got, ending) = change_length(stage, &server, SHORT_BYTES)?;
    demand!(
        got <= SHORT_BYTES,
        "expected at most {SHORT_BYTES} bytes of the shortened file, got {got}; the server padded \
         the file, or read it in advance"
    );
    let has_ended = matches!(ending, Ending::Fin | Ending::Reset);
    demand!(has_ended, "expected the connection to end, got {got} bytes of the file and {ending}");
    drop(client);
    stage.write(b"short")?;
    server.expect_whole(b"short")
}

fn missing_file(stage: &Stage) -> Outcome {
    let server = stage.serve(noise(1000))?;
    let away = stage.file().with_extension("away");
    for content in [noise(1000), noise(2000)] {
        fs::rename(stage.file(), &away)?;
        server.expect_whole_after(REQUEST, b"")?;
        fs::write(&away, content)?;
        fs::rename(&away, stage.file())?;
        server.expect_whole(content)?;
    }
    Ok(())
}

fn missing_file_http(stage: &Stage) -> Outcome {
    stage.target.require("{preamble}")?;
    let settings = Settings { preamble: "http", ..Settings::default() };
    let server = stage.serve_with(settings, noise(1000))?;
    fs::remove_file(stage.file())?;
    expect_http(&server, &["404"], b"")?;
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(stage.file(), stage.file())?;
        expect_http(&server, &["404", "503"], b"").context("with a link to itself as the file")?;
    }
    Ok(())
}

fn folder_instead(stage: &Stage) -> Outcome {
    let server = stage.serve(noise(1000))?;
    fs::remove_file(stage.file())?;
    fs::create_dir(stage.file())?;
    expect_at_most_preamble(&server)?;
    fs::remove_dir(stage.file())?;
    expect_at_most_preamble(&server)?;
    stage.write(noise(1000))?;
    server.expect_whole(noise(1000))
}

/// Expects that the reply is empty or contains only the preamble. In contrast, the check
/// `missing-file` requires the preamble.
fn expect_at_most_preamble(server: &Server) -> Outcome {
    let client = server.connect()?;
    let (got, ending) = client.read_reply();
    match got.is_empty() && ending == Ending::Fin {
        true => Ok(()),
        false => client.expect_reply(&got, b"", ending),
    }
}

/// Starts a server for a short file, serves one client, and then extends the file. Returns the
/// server and its memory use in bytes. The memory is measured after the first client, because a
/// runtime may allocate memory for that client.
fn serve_with_memory(stage: &Stage, settings: Settings, bytes: u64) -> Result<(Server, u64), Stop> {
    let server = stage.serve_with(settings, noise(1000))?;
    server.expect_whole(noise(1000))?;
    stage.set_len(bytes)?;
    let memory_bytes = server.usage(usage::anonymous_memory_bytes)?;
    Ok((server, memory_bytes))
}

fn expect_memory(server: &Server, before: u64, activity: &str) -> Outcome {
    const GROWTH_MIB_MAX: u64 = 64;
    let growth = server.usage(usage::anonymous_memory_bytes)?.saturating_sub(before) >> 20;
    demand!(
        growth < GROWTH_MIB_MAX,
        "expected memory growth below {GROWTH_MIB_MAX} MiB while {activity}, got {growth} MiB"
    );
    Ok(())
}

fn memory(stage: &Stage) -> Outcome {
    let (server, before) = serve_with_memory(stage, Settings::default(), 256 << 20)?;
    let clients = server.connect_non_reading(4)?;
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(1500) {
        expect_memory(&server, before, "four clients read nothing")?;
        thread::sleep(Duration::from_millis(100));
    }
    drop(clients);
    server.expect_alive()
}

fn memory_of_upload(stage: &Stage) -> Outcome {
    // These clients read nothing, so the server is still sending the file while it receives the
    // upload.
    let settings = Settings { linger_s: 10, ..Settings::default() };
    let (server, before) = serve_with_memory(stage, settings, FILE_BYTES)?;
    let client = server.connect_small()?;
    let without_newline = vec![b'x'; MIB];
    for _ in 0..128 {
        client.send(&without_newline)?;
    }
    expect_memory(&server, before, "a client sent 128 MiB")?;
    drop(client);
    let clients = server.connect_many(100)?;
    clients.iter().try_for_each(|client| client.send(noise(MIB)))?;
    // A server that reads ahead in another thread needs some time.
    thread::sleep(Duration::from_millis(200));
    expect_memory(&server, before, "100 clients sent 1 MiB each")?;
    drop(clients);
    stage.write(noise(1000))?;
    let client = server.connect()?;
    client.expect_whole(noise(1000))?;
    // If the server closes the connection, the check `data-after-fin` reports it.
    let _ = (0..128).try_for_each(|_| client.send(noise(MIB)));
    expect_memory(&server, before, "a client sent 128 MiB after the reply")
}
