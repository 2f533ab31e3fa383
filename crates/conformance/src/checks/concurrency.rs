//! Checks with concurrent clients (clauses 1, 5 and 9).

use std::sync::atomic::{AtomicBool, Ordering};

use super::common::*;

pub const CHECKS: &[Check] = &[
    Check {
        id: "backlog",
        title: "A burst of 1000 connections fits into the backlog",
        clause: 1,
        stimulus: "the server is stopped (SIGSTOP); 1000 clients connect; the server gets SIGCONT",
        expected: "every client connects within a second and gets the whole file",
        hint: "Listen with a backlog of at least 1024. A common default is 128. Node's default is \
               511.",
        run: Heavy(backlog),
    },
    Check {
        id: "few-stalled",
        title: "Eight non-reading clients delay no other client",
        clause: 9,
        stimulus: "eight clients read nothing of a large file; other clients connect",
        expected: "each other client gets the whole file within 5 s",
        hint: "A write for one client must not block the thread that serves other clients. Use one \
               thread or task per client, and make no blocking call on an executor.",
        run: Light(few_stalled),
    },
    Check {
        id: "many-stalled",
        title: "200 non-reading clients delay no other client",
        clause: 9,
        stimulus: "200 clients read nothing of a large file; another client connects",
        expected: "the other client gets the whole file within 5 s",
        hint: "A thread pool serves as many clients as it has threads. Waiting clients occupy all \
               of these threads. Use one thread or task per client.",
        run: Heavy(many_stalled),
    },
    Check {
        id: "reverse-order",
        title: "Clients can read in any order",
        clause: 9,
        stimulus: "ten clients connect; the last one reads first, and the first one reads last",
        expected: "each client gets the whole file",
        hint: "Accept the next client before the previous one has finished.",
        run: Light(reverse_order),
    },
    Check {
        id: "hundred-clients",
        title: "100 concurrent clients get the whole file",
        clause: 9,
        stimulus: "100 clients connect; 25 of them do not read until the others have \
                   finished",
        expected: "each client gets the whole file",
        hint: "The behavior of one client must not affect another client.",
        run: Heavy(hundred_clients),
    },
    Check {
        id: "flooding-client",
        title: "A client that floods the server delays no other client",
        clause: 5,
        stimulus: "a client sends without end and reads nothing; other clients connect, and the \
                   last one sends 8 MB before it reads",
        expected: "each other client gets the whole file; the clients that only read get it \
                   within 5 s",
        hint: "A client that sends without end must not occupy a whole thread that other clients \
               need. In an async runtime, yield between reads.",
        run: Light(flooding_client),
    },
    Check {
        id: "reset-before-accept",
        title: "A reset before accept does not end the server",
        clause: 9,
        stimulus: "the server is stopped (SIGSTOP); ten clients connect and reset; the server gets \
                   SIGCONT",
        expected: "the next client gets the whole file",
        hint: "accept may fail, or return a socket whose peer address is no longer known. Neither \
               error may end the accept loop or the process.",
        run: Light(reset_before_accept),
    },
    Check {
        id: "connection-limit",
        title: "At the connection limit, further clients wait",
        clause: 9,
        stimulus: "the server is started with {limit} = 3; three clients read nothing of a long \
                   file; ten more connect; then the three disconnect",
        expected: "each of the ten clients gets the whole file, after the three clients have \
                   disconnected",
        hint: "At the connection limit, stop accepting, so that clients wait in the accept queue. \
               A client counts until its connection has ended, not until it has been accepted.",
        run: Light(connection_limit),
    },
    Check {
        id: "few-descriptors",
        title: "The server survives a lack of file descriptors",
        clause: 9,
        stimulus: "the limit is 32 file descriptors (more if the runtime itself needs many); 60 \
                   clients connect, read nothing for 1.5 s, and disconnect",
        expected: "the server uses less than a third of a core; the next client gets the whole \
                   file",
        hint: "If accept fails with EMFILE, wait 100 ms and try again. Without the pause, the loop \
               occupies a core. If `?` or an uncaught error ends the accept loop, the server \
               accepts no further clients. (Older versions of Python's asyncio retry too often by \
               themselves.)",
        run: Heavy(few_descriptors),
    },
];

fn backlog(stage: &Stage) -> Outcome {
    const CLIENTS: usize = 1000;
    stage.require_signals()?;
    if !cfg!(target_os = "linux") {
        return Err(Stop::skip("this system may limit the backlog further"));
    }
    let server = stage.serve(noise(1000))?;
    server.expect_whole(noise(1000))?;
    server.process.signal_all(Signal::Stop);
    let started = Instant::now();
    let mut burst: Vec<Client> = Vec::new();
    while burst.len() < CLIENTS {
        let before = Instant::now();
        let client = server.connect();
        // If the accept queue is full, the kernel drops the SYN, and the client sends it again
        // after a second.
        if client.is_err() || before.elapsed() > Duration::from_millis(900) {
            break;
        }
        burst.push(client?);
    }
    server.process.signal_all(Signal::Continue);
    let accepted = burst.len();
    demand!(accepted == CLIENTS, "expected {CLIENTS} clients in the accept queue, got {accepted}");
    let ms = started.elapsed().as_millis();
    for client in burst {
        client
            .expect_whole(noise(1000))
            .context(format_args!("one of {CLIENTS} clients that connected within {ms} ms"))?;
    }
    Ok(())
}

fn few_stalled(stage: &Stage) -> Outcome {
    let server = stage.serve(noise(8 * MIB))?;
    let stalled = server.connect_non_reading(8)?;
    for _ in 0..3 {
        server.expect_whole_in_time(noise(8 * MIB))?;
    }
    drop(stalled);
    server.expect_whole_in_time(noise(8 * MIB))
}

fn many_stalled(stage: &Stage) -> Outcome {
    const CLIENTS: usize = 200;
    /// The time limit for all first bytes. 200 threads or tasks start in a small fraction of this
    /// time.
    const LIMIT: Duration = Duration::from_secs(30);
    let server = stage.serve(noise(2 * MIB))?;
    let started = Instant::now();
    let mut stalled = Vec::new();
    for number in 1..=CLIENTS {
        let client = server.connect_small()?;
        client.expect_first_byte().context(format_args!("client {number} of {CLIENTS}"))?;
        let (is_in_time, s) = (started.elapsed() < LIMIT, LIMIT.as_secs());
        demand!(is_in_time, "expected {CLIENTS} clients to be served within {s} s, got {number}");
        stalled.push(client);
    }
    for _ in 0..3 {
        server.expect_whole_in_time(noise(2 * MIB))?;
    }
    drop(stalled);
    Ok(())
}

fn reverse_order(stage: &Stage) -> Outcome {
    let server = stage.serve(noise(4 * MIB))?;
    let clients = server.connect_many(10)?;
    for (index, client) in clients.iter().enumerate().rev() {
        client.expect_whole(noise(4 * MIB)).context(format_args!("client {} of 10", index + 1))?;
    }
    Ok(())
}

fn hundred_clients(stage: &Stage) -> Outcome {
    let content = noise(2 * MIB);
    let server = stage.serve(content)?;
    let stalled = server.connect_many(25)?;
    thread::scope(|scope| {
        let read = || scope.spawn(|| server.expect_whole(content));
        let readers: Vec<_> = (0..75).map(|_| read()).collect();
        let panicked = |_| Err(Stop::fail("the check itself panicked"));
        let outcomes = readers.into_iter().map(|reader| reader.join().unwrap_or_else(panicked));
        outcomes.collect::<Outcome>()
    })?;
    stalled.iter().try_for_each(|client| client.expect_whole(content))
}

fn flooding_client(stage: &Stage) -> Outcome {
    const FLOOD_LIMIT: Duration = Duration::from_secs(30);
    let server = stage.serve(noise(8 * MIB))?;
    let flooder = server.connect_small()?;
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let started = Instant::now();
            let is_over = || is_done.load(Ordering::Relaxed) || started.elapsed() > FLOOD_LIMIT;
            while !is_over() && flooder.try_send(noise(50_000)) {}
        });
        let expect = || {
            for _ in 0..3 {
                server.expect_whole_in_time(noise(8 * MIB))?;
            }
            let sender = server.connect_small()?;
            // These bytes do not fit into the kernel's buffers.
            for _ in 0..8 {
                sender.send(noise(1_000_000))?;
            }
            sender.expect_whole(noise(8 * MIB))
        };
        let outcome = expect();
        is_done.store(true, Ordering::Relaxed);
        outcome
    })
}

fn reset_before_accept(stage: &Stage) -> Outcome {
    stage.require_signals()?;
    let server = stage.serve(noise(1000))?;
    server.expect_whole(noise(1000))?;
    for _ in 0..3 {
        server.process.signal_all(Signal::Stop);
        for _ in 0..10 {
            server.connect()?.reset();
        }
        server.process.signal_all(Signal::Continue);
        server.expect_whole(noise(1000))?;
    }
    Ok(())
}

fn connection_limit(stage: &Stage) -> Outcome {
    stage.target.require("{limit}")?;
    let settings = Settings { connection_limit: 3, ..Settings::default() };
    let server = stage.serve_with(settings, noise(MIB))?;
    let first = server.connect_non_reading(3)?;
    let waiting: Vec<_> = (0..10).map(|_| server.connect()).collect::<Result<_, _>>()?;
    for client in &waiting {
        let is_served = client.first_byte(Duration::from_millis(50)).is_ok();
        demand!(!is_served, "connection limit 3: expected no reply to a further client, got one");
    }
    drop(first);
    // Each client disconnects after its reply, so that the server can accept the next client.
    waiting.into_iter().try_for_each(|client| client.expect_whole(noise(MIB)))
}

fn few_descriptors(stage: &Stage) -> Outcome {
    let server = stage.serve_zeros(LONG_BYTES)?;
    let used = server.usage(usage::descriptors)?;
    // The limit is sufficient for the runtime, but not for the clients. Each client needs two file
    // descriptors, so `accept` fails at one of the two limits, and opening the file fails at the
    // other limit.
    let limit = (used + 14).max(32);
    expect_survival(stage, limit)?;
    expect_survival(stage, limit + 1)
}

fn expect_survival(stage: &Stage, descriptors: u64) -> Outcome {
    const RECOVERY_LIMIT: Duration = Duration::from_secs(10);
    stage.set_len(LONG_BYTES)?;
    let server = stage.start(Start { descriptors: Some(descriptors), ..Start::default() })?;
    let clients = server.connect_many(60)?;
    thread::sleep(Duration::from_millis(300));
    server.expect_idle()?;
    drop(clients);
    stage.write(b"alive")?;
    let started = Instant::now();
    let expected = [server.preamble, b"alive"].concat();
    loop {
        let client = server.connect()?;
        let (got, ending) = client.read_until_end(Duration::from_secs(3));
        if got == expected && ending == Ending::Fin {
            return Ok(());
        }
        server.expect_alive()?;
        let (is_in_time, s) = (started.elapsed() < RECOVERY_LIMIT, RECOVERY_LIMIT.as_secs());
        demand!(
            is_in_time,
            "expected the whole reply within {s} s, got {} bytes, then {ending}",
            got.len()
        );
        thread::sleep(Duration::from_millis(100));
    }
}
