//! Checks with concurrent clients (clauses 1, 5 and 9).

use std::sync::atomic::{AtomicBool, Ordering};

use super::common::*;

pub const CHECKS: &[Check] = &[
    Check {
        id: "backlog",
        title: "A burst of 1000 connections fits into the backlog",
        clause: 1,
        stimulus: "SIGSTOP suspends the server; 1000 clients connect; SIGCONT resumes the server",
        expected: "every client connects within a second and gets the whole file",
        hint: "Listen with a backlog of at least 1024. Common defaults are 128 and 511.",
        run: Heavy(backlog),
    },
    Check {
        id: "few-stalled",
        title: "Eight non-reading clients do not delay other clients",
        clause: 9,
        stimulus: "the file has 8 MiB; eight clients connect and read nothing; three other clients \
                   connect; then the first of the eight clients reads the whole reply, another \
                   client connects, and the last of the eight clients reads 4 MB; when the eight \
                   clients have disconnected, another client connects",
        expected: "each of the five other clients gets the whole file within 5 s; the first of \
                   the eight clients gets the whole file, and the last one gets 4 MB",
        hint: "A write to one client must not block a thread that serves other clients. Use one \
               thread or task per client. Do not make blocking calls on an executor.",
        run: Light(few_stalled),
    },
    Check {
        id: "many-stalled",
        title: "200 non-reading clients do not delay other clients",
        clause: 9,
        stimulus: "the file has 2 MiB; 200 clients connect and read nothing; three other clients \
                   connect",
        expected: "each of the three other clients gets the whole file within 5 s",
        hint: "Do not limit the number of clients. Use one thread or task per client. A thread pool \
               serves at most as many clients as it has threads, and non-reading clients occupy \
               all of these threads.",
        run: Heavy(many_stalled),
    },
    Check {
        id: "reverse-order",
        title: "Clients can read in any order",
        clause: 9,
        stimulus: "ten clients connect and read one after another, from the last client to the \
                   first client",
        expected: "each client gets the whole file",
        hint: "Accept the next client immediately. Do not wait until the previous client has \
               received its whole reply.",
        run: Light(reverse_order),
    },
    Check {
        id: "hundred-clients",
        title: "Each of 100 concurrent clients gets the whole file",
        clause: 9,
        stimulus: "100 clients connect; 25 of them do not read until the other 75 clients have \
                   received their whole replies",
        expected: "each client gets the whole file",
        hint: "Serve each client independently of the other clients.",
        run: Heavy(hundred_clients),
    },
    Check {
        id: "flooding-client",
        title: "A client that floods the server does not delay other clients",
        clause: 5,
        stimulus: "a client sends data continuously and reads nothing; four other clients connect; \
                   the last of these clients sends 8 MB before it reads",
        expected: "each of the four other clients gets the whole file; the three clients that send \
                   nothing get it within 5 s",
        hint: "A client that sends data continuously must not occupy a thread that other clients \
               need. In an async runtime, yield between reads.",
        run: Light(flooding_client),
    },
    Check {
        id: "reset-before-accept",
        title: "A reset before accept does not stop the server",
        clause: 9,
        stimulus: "SIGSTOP suspends the server; ten clients connect and reset their connections, \
                   and another client connects; SIGCONT resumes the server; then one more client \
                   connects",
        expected: "the last two clients get the whole file",
        hint: "accept may fail, or it may return a socket without a peer address. Do not end the \
               accept loop or the process in either case.",
        run: Light(reset_before_accept),
    },
    Check {
        id: "connection-limit",
        title: "At the connection limit, further clients wait",
        clause: 9,
        stimulus: "the server is started with {limit} = 2; two clients connect and read nothing; \
                   100 more clients connect; then the first two clients disconnect; later, two \
                   clients read the whole reply and stay connected, and another client connects; \
                   the same is done with {limit} = 5 and five clients",
        expected: "a further client gets no bytes until a client has disconnected; then it gets \
                   the whole file; while clients wait, the server uses almost no CPU time",
        hint: "At the connection limit, stop accepting, so that new clients wait in the accept \
               queue. Count each connection from accept until the connection has ended.",
        run: Light(connection_limit),
    },
    Check {
        id: "few-descriptors",
        title: "The server survives a lack of file descriptors",
        clause: 9,
        stimulus: "the server can open at most 32 file descriptors (more if its runtime needs many \
                   of them); 60 clients connect and read nothing for 1 s; the first 54 clients \
                   disconnect; then the other 6 clients disconnect",
        expected: "the server uses less than a third of a core; the 6 clients get a byte or the \
                   end of the connection; the next four clients get the whole file",
        hint: "If accept fails with EMFILE, wait for 100 ms and call accept again. Without this \
               pause, the accept loop occupies a core. If the error ends the accept loop, the \
               server does not accept any more clients. (Some libraries call accept too often, \
               regardless of your code.)",
        run: Heavy(few_descriptors),
    },
];

fn backlog(stage: &Stage) -> Outcome {
    const CLIENTS: usize = 1000;
    stage.require_signals()?;
    if !cfg!(target_os = "linux") {
        return Err(Stop::skip("this system may set a lower limit on the backlog"));
    }
    let server = stage.serve(noise(1000))?;
    server.expect_whole(noise(1000))?;
    server.suspend();
    let started = Instant::now();
    let mut burst: Vec<Client> = Vec::new();
    while burst.len() < CLIENTS {
        let before = Instant::now();
        let client = server.connect();
        // If the accept queue is full, the kernel drops the client's SYN. The client sends another
        // SYN after a second.
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
    // If a server keeps its connections in a list, the removal of one connection may change the
    // index of another connection.
    stalled[0].expect_whole(noise(8 * MIB)).context("the first of the eight clients")?;
    server.expect_whole_in_time(noise(8 * MIB))?;
    stalled[7].read_exactly(4_000_000).context("the last of the eight clients")?;
    drop(stalled);
    server.expect_whole_in_time(noise(8 * MIB))
}

fn many_stalled(stage: &Stage) -> Outcome {
    const CLIENTS: usize = 200;
    /// The time in which every client must receive its first byte. A server can start 200 threads
    /// or tasks in a small fraction of this time.
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
    let content = noise(2 * MIB);
    let server = stage.serve(content)?;
    let clients = server.connect_many(10)?;
    for (index, client) in clients.iter().enumerate().rev() {
        client.expect_whole(content).context(format_args!("client {} of 10", index + 1))?;
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
            // The kernel's buffers cannot hold this much data, so the server has to read the data.
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
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        server.suspend();
        for _ in 0..10 {
            server.connect()?.reset();
        }
        let waiting = server.connect()?;
        server.process.signal_all(Signal::Continue);
        let started = Instant::now();
        waiting.expect_whole(noise(1000)).context("a client in the accept queue")?;
        server.expect_whole(noise(1000))?;
        fastest = fastest.min(started.elapsed());
    }
    // On a busy computer, some replies are late. If the server pauses after each reset, all are.
    let ms = fastest.as_millis();
    demand!(ms < 500, "expected the fastest of three replies within 500 ms, got {ms} ms");
    Ok(())
}

fn connection_limit(stage: &Stage) -> Outcome {
    stage.target.require("{limit}")?;
    [2, 5].into_iter().try_for_each(|limit| {
        expect_limit(stage, limit).context(format_args!("connection limit {limit}"))
    })
}

fn expect_limit(stage: &Stage, limit: usize) -> Outcome {
    let content = noise(100_000);
    stage.set_len(LONG_BYTES)?;
    let settings = Settings { connection_limit: limit, linger_s: 30, ..Settings::default() };
    let server = stage.start(Start { settings, ..Start::default() })?;
    let first = server.connect_non_reading(limit)?;
    let waiting: Vec<_> = (0..100).map(|_| server.connect()).collect::<Result<_, _>>()?;
    thread::sleep(Duration::from_millis(300));
    match server.expect_idle(WAKEUPS_MAX) {
        // Only Linux provides the CPU time.
        Err(Stop::Skip(_)) | Ok(()) => {}
        busy => return busy.context("while clients wait"),
    }
    for client in &waiting {
        let is_served = client.first_byte(Duration::from_millis(2)).is_ok();
        demand!(!is_served, "expected no reply to a further client, got one");
    }
    stage.replace(content)?;
    drop(first);
    // Each client disconnects after its reply, so that the server can accept the next client.
    waiting.into_iter().try_for_each(|client| client.expect_whole(content))?;
    let finished = (0..limit).map(|_| server.connect()).collect::<Result<Vec<_>, _>>()?;
    finished.iter().try_for_each(|client| client.expect_whole(content))?;
    let waiting = server.connect()?;
    // A server that does not drain has already closed the connections.
    if finished.iter().all(|client| !client.is_closed_by_server()) {
        let is_served = waiting.first_byte(Duration::from_millis(20)).is_ok();
        demand!(
            !is_served,
            "expected no reply while clients that have the file are connected, got one"
        );
    }
    drop(finished);
    waiting.expect_whole(content)
}

/// The number of clients in [`few_descriptors`] that wait in the accept queue until the other clients
/// have disconnected. The server can open all descriptors for these clients.
const WAITING_CLIENTS: usize = 6;

fn few_descriptors(stage: &Stage) -> Outcome {
    let server = stage.serve_zeros(LONG_BYTES)?;
    let used = server.usage(usage::descriptors)?;
    // The limit is sufficient for the runtime, but not for all clients. Each client needs one
    // descriptor for its socket and one for the file. Therefore, of two consecutive limits, one
    // makes `accept` fail, and the other one makes opening the file fail.
    let limit = (used + 2 * WAITING_CLIENTS as u64 + 2).max(32);
    expect_survival(stage, limit)?;
    expect_survival(stage, limit + 1)
}

fn expect_survival(stage: &Stage, descriptors: u64) -> Outcome {
    const RECOVERY_LIMIT: Duration = Duration::from_secs(10);
    const SERVED_LIMIT: Duration = Duration::from_millis(300);
    const CLIENTS: usize = 60;
    stage.set_len(LONG_BYTES)?;
    let server = stage.start(Start { descriptors: Some(descriptors), ..Start::default() })?;
    // Connect one client after another, until the server does not serve a client. If a thread-based
    // server accepted all clients at the same time, no thread could open the file. Then the server
    // would disconnect all clients, and `accept` would never fail.
    let mut clients = Vec::new();
    let mut is_served = true;
    while is_served && clients.len() < CLIENTS {
        let client = server.connect_small()?;
        is_served = client.first_byte(SERVED_LIMIT).is_ok();
        clients.push(client);
    }
    clients.extend(server.connect_many(CLIENTS - clients.len())?);
    server.expect_idle(RETRYING_WAKEUPS_MAX)?;
    let waiting = clients.split_off(CLIENTS - WAITING_CLIENTS);
    drop(clients);
    // A server may close connections if it has no descriptor left, but it must not forget them.
    for client in &waiting {
        let first = client.first_byte(RECOVERY_LIMIT);
        let is_forgotten = matches!(first, Err(Ending::Timeout { .. }));
        let s = RECOVERY_LIMIT.as_secs();
        demand!(
            !is_forgotten,
            "expected a byte within {s} s for a client that waited in the accept queue, got none"
        );
    }
    drop(waiting);
    stage.write(b"alive")?;
    let started = Instant::now();
    let expected = [server.preamble, b"alive"].concat();
    loop {
        let client = server.connect()?;
        let (got, ending) = client.read_until_end(Duration::from_secs(3));
        if got == expected && ending == Ending::Fin {
            return (0..3).try_for_each(|_| server.expect_whole(b"alive"));
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
