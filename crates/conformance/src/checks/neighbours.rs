//! Clients beside each other: clauses 1 and 9.

use std::thread;
use std::time::{Duration, Instant};

use crate::check::{Check, Outcome, Stop, demand};
use crate::client::{Client, Ending};
use crate::content::noise;
use crate::server::{Server, Stage, Start};
use crate::system::{self, Signal};
use crate::target::Settings;

const MIB: usize = 1 << 20;

/// Longer than what the kernel keeps for a client that does not read.
const LONG: u64 = 64 << 20;

pub const CHECKS: &[Check] = &[
    Check {
        id: "backlog",
        title: "A burst of 1,000 connections fits into the backlog",
        clause: 1,
        stimulus: "the server is stopped (SIGSTOP), 1,000 clients connect, it goes on (SIGCONT)",
        expected: "every client is connected within a second, and served",
        hint: "Ask for a backlog of at least 1024 where you listen. Many libraries have 128, Node 511.",
        is_heavy: true,
        run: backlog,
    },
    Check {
        id: "stalled-neighbour",
        title: "Clients that do not read hold up nobody",
        clause: 9,
        stimulus: "eight clients take nothing of a large file; others come",
        expected: "each of the others gets the whole file within 5 s",
        hint: "One client's write must not block the thread that serves the others: no blocking call \
               on an executor, a thread or a task for each client.",
        is_heavy: false,
        run: stalled_neighbour,
    },
    Check {
        id: "many-stalled",
        title: "Two hundred clients that do not read hold up nobody",
        clause: 9,
        stimulus: "200 clients take nothing of a large file; another comes",
        expected: "it gets the whole file within 5 s",
        hint: "A pool of threads serves as many clients as it has threads, and those that wait fill \
               it: give each client a thread or a task of its own.",
        is_heavy: true,
        run: many_stalled,
    },
    Check {
        id: "reverse-order",
        title: "Clients are served whatever their order",
        clause: 9,
        stimulus: "ten clients connect; the last reads first, the first reads last",
        expected: "each gets the whole file",
        hint: "Accept the next client before the one before has finished.",
        is_heavy: false,
        run: reverse_order,
    },
    Check {
        id: "hundred-clients",
        title: "A hundred clients at once are all served",
        clause: 9,
        stimulus: "100 clients connect at once; a quarter of them does not read until the others are \
                   done",
        expected: "each gets the whole file",
        hint: "Nothing that one client does may depend on another.",
        is_heavy: true,
        run: hundred_clients,
    },
    Check {
        id: "flooder-beside",
        title: "A flooder holds up nobody",
        clause: 5,
        stimulus: "a client sends without end and reads nothing; others come, the last one sends, too",
        expected: "each of the others gets the whole file within 5 s; the last one is heard",
        hint: "Whoever always has something to say must not have all your attention: in an async \
               runtime, yield between reads.",
        is_heavy: false,
        run: flooder_beside,
    },
    Check {
        id: "reset-before-accept",
        title: "A connection that was reset before it was accepted is passed over",
        clause: 9,
        stimulus: "the server is stopped (SIGSTOP), ten clients connect and reset, it goes on",
        expected: "the next client is served",
        hint: "accept may fail, or return a socket whose peer nobody knows any more: neither may end \
               the loop, or the process.",
        is_heavy: false,
        run: a_reset_before_accept_is_ignored,
    },
    Check {
        id: "cap",
        title: "At the cap of connections nobody is dropped",
        clause: 9,
        stimulus: "the server is started with {cap} = 3; three clients take nothing of a long file, ten \
                   more come, the three leave",
        expected: "nobody of the ten is served before, each gets the whole file afterwards",
        hint: "At the cap, stop accepting: who comes waits in the backlog. A client's place is free when \
               its connection has ended, not when it has been accepted.",
        is_heavy: false,
        run: cap,
    },
    Check {
        id: "few-descriptors",
        title: "Running out of descriptors is survived",
        clause: 9,
        stimulus: "the limit is 32 descriptors (more if the runtime alone needs them), 60 clients come \
                   and read nothing for 1.5 s, then leave",
        expected: "it uses less than a third of a processor meanwhile, and serves the next client",
        hint: "accept fails with EMFILE: wait 100 ms and try again. Without the pause it fails a \
               million times a second; with `?` or an uncaught error it fails for ever. (Older versions of \
               Python's asyncio try again too often by themselves.)",
        is_heavy: true,
        run: few_descriptors,
    },
];

fn needs_signals() -> Outcome {
    if system::HAS_SIGNALS {
        return Ok(());
    }
    Err(Stop::not_applicable("this system has no signals to stop a process with"))
}

fn backlog(stage: &Stage<'_>) -> Outcome {
    needs_signals()?;
    if !cfg!(target_os = "linux") {
        return Err(Stop::not_applicable("this system's own limit may be lower"));
    }
    let server = stage.serve(noise(1000))?;
    server.expect_whole(noise(1000))?;
    server.signal_all(Signal::Stop);
    let started = Instant::now();
    let mut burst: Vec<Client> = Vec::new();
    while burst.len() < 1000 {
        let before = Instant::now();
        let client = server.connect();
        // A SYN for which there is no room is dropped; the client tries again after a second.
        if client.is_err() || before.elapsed() > Duration::from_millis(900) {
            server.signal_all(Signal::Continue);
            let connected = burst.len();
            return Err(Stop::fail(format!(
                "after {connected} clients there was no room for one more"
            )));
        }
        burst.push(client?);
    }
    server.signal_all(Signal::Continue);
    let took = started.elapsed();
    for client in burst {
        let with_time = |stop| match stop {
            Stop::Fail(actual) => {
                let ms = took.as_millis();
                Stop::fail(format!("one of 1,000 that came in {ms} ms: {actual}"))
            }
            other => other,
        };
        client.expect_whole(noise(1000)).map_err(with_time)?;
    }
    Ok(())
}

fn expect_whole_in_time(server: &Server, content: &[u8]) -> Outcome {
    const LIMIT: Duration = Duration::from_secs(5);
    let client = server.connect()?;
    let (got, ending) = client.read_reply_within(LIMIT);
    client.expect_reply(&got, content, ending)
}

fn stalled_neighbour(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(8 * MIB))?;
    let stalled: Vec<_> = (0..8).map(|_| server.connect_small()).collect::<Result<_, _>>()?;
    for (index, client) in stalled.iter().enumerate() {
        client.expect_first_byte(format_args!("client {} of 8", index + 1))?;
    }
    for _ in 0..3 {
        expect_whole_in_time(&server, noise(8 * MIB))?;
    }
    drop(stalled);
    expect_whole_in_time(&server, noise(8 * MIB))
}

fn many_stalled(stage: &Stage<'_>) -> Outcome {
    /// Many times what two hundred threads or tasks need to begin.
    const ALL_TIMEOUT: Duration = Duration::from_secs(30);
    let content = noise(2 * MIB);
    let server = stage.serve(content)?;
    let started = Instant::now();
    let mut stalled = Vec::new();
    // One by one: how many fit into the backlog is the matter of another check.
    for index in 1..=200 {
        let client = server.connect_small()?;
        client.expect_first_byte(format_args!("client {index} of 200"))?;
        let took = started.elapsed();
        let s = took.as_secs();
        demand!(
            took < ALL_TIMEOUT,
            "after {s} s only {index} of 200 clients have their first byte"
        );
        stalled.push(client);
    }
    for _ in 0..3 {
        expect_whole_in_time(&server, content)?;
    }
    drop(stalled);
    Ok(())
}

fn reverse_order(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(4 * MIB))?;
    let clients: Vec<_> = (0..10).map(|_| server.connect_small()).collect::<Result<_, _>>()?;
    for (index, client) in clients.iter().enumerate().rev() {
        client.expect_whole(noise(4 * MIB)).map_err(|stop| match stop {
            Stop::Fail(actual) => Stop::fail(format!("client {} of 10: {actual}", index + 1)),
            other => other,
        })?;
    }
    Ok(())
}

fn hundred_clients(stage: &Stage<'_>) -> Outcome {
    let content = noise(2 * MIB);
    let server = stage.serve(content)?;
    let connect = |_| server.connect_small();
    let stalled: Vec<_> = (0..25).map(connect).collect::<Result<_, _>>()?;
    let whole = thread::scope(|scope| {
        let readers: Vec<_> = (0..75)
            .map(|_| {
                scope.spawn(|| server.connect().and_then(|client| client.expect_whole(content)))
            })
            .collect();
        let verdicts = readers.into_iter().map(|reader| reader.join());
        verdicts
            .map(|verdict| verdict.unwrap_or_else(|_| Err(Stop::fail("the check itself panicked"))))
            .collect::<Vec<Outcome>>()
    });
    for verdict in whole {
        verdict?;
    }
    for client in &stalled {
        client.expect_whole(content)?;
    }
    Ok(())
}

fn flooder_beside(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(8 * MIB))?;
    let flooder = server.connect_small()?;
    let is_done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let started = Instant::now();
            let is_over = || {
                is_done.load(std::sync::atomic::Ordering::Relaxed)
                    || started.elapsed() > Duration::from_secs(30)
            };
            while !is_over() && flooder.try_send(&noise(8 * MIB)[..50_000]) {}
        });
        let verdict =
            (0..3).try_for_each(|_| expect_whole_in_time(&server, noise(8 * MIB))).and_then(|()| {
                let talker = server.connect_small()?;
                // More than the kernels' buffers hold.
                for _ in 0..8 {
                    talker.send(&noise(8 * MIB)[..1_000_000])?;
                }
                talker.expect_whole(noise(8 * MIB))
            });
        is_done.store(true, std::sync::atomic::Ordering::Relaxed);
        verdict
    })
}

fn a_reset_before_accept_is_ignored(stage: &Stage<'_>) -> Outcome {
    needs_signals()?;
    let server = stage.serve(noise(1000))?;
    server.expect_whole(noise(1000))?;
    for _ in 0..3 {
        server.signal_all(Signal::Stop);
        for _ in 0..10 {
            server.connect()?.reset();
        }
        server.signal_all(Signal::Continue);
        server.expect_whole(noise(1000))?;
    }
    Ok(())
}

fn cap(stage: &Stage<'_>) -> Outcome {
    stage.target.needs("{cap}")?;
    let content = noise(MIB);
    stage.write(content)?;
    let settings = Settings { connection_limit: 3, ..Settings::default() };
    let server = stage.start(Start { settings, ..Start::default() })?;
    let held: Vec<_> = (0..3).map(|_| server.connect_small()).collect::<Result<_, _>>()?;
    for (index, client) in held.iter().enumerate() {
        client.expect_first_byte(format_args!("client {} of 3, below the cap,", index + 1))?;
    }
    let clients: Vec<_> = (0..10).map(|_| server.connect()).collect::<Result<_, _>>()?;
    for client in &clients {
        let is_served = client.has_byte_within(Duration::from_millis(50));
        demand!(!is_served, "with 3 clients held, and 3 the cap, one more was served");
    }
    drop(held);
    for client in clients {
        client.expect_whole(content)?;
    }
    Ok(())
}

fn few_descriptors(stage: &Stage<'_>) -> Outcome {
    needs_signals()?;
    let usual = stage.serve_zeros(LONG)?;
    let Some(base) = system::descriptors(usual.group()) else {
        return Err(Stop::not_applicable("this system does not list descriptors in /proc"));
    };
    drop(usual);
    // Enough for the runtime, far too few for the clients. A client needs two descriptors: with the
    // one limit accept meets it, with the other the opening of the file.
    let limit = (base + 14).max(32);
    survives(stage, limit)?;
    survives(stage, limit + 1)
}

fn survives(stage: &Stage<'_>, descriptors: u64) -> Outcome {
    stage.set_len(LONG)?;
    let server = stage.start(Start { descriptors: Some(descriptors), ..Start::default() })?;
    let held: Vec<_> = (0..60).map(|_| server.connect_small()).collect::<Result<_, _>>()?;
    thread::sleep(Duration::from_millis(300));
    let before = system::cpu_ms(server.group()).unwrap_or(0);
    thread::sleep(Duration::from_millis(1200));
    server.expect_alive()?;
    let used = system::cpu_ms(server.group()).unwrap_or(0).saturating_sub(before);
    demand!(
        used < 400,
        "it wanted {used} ms of processor time in 1.2 s in which nothing could be done"
    );
    drop(held);
    stage.write(b"alive")?;
    let started = Instant::now();
    let expected = [server.preamble(), b"alive"].concat();
    loop {
        let client = server.connect()?;
        let (got, ending) = client.read_until_end(Duration::from_secs(3));
        if got == expected && ending == Ending::Fin {
            return Ok(());
        }
        server.expect_alive()?;
        let waited = started.elapsed();
        let s = waited.as_secs();
        demand!(waited < Duration::from_secs(10), "{s} s after all have left: {ending}");
        thread::sleep(Duration::from_millis(100));
    }
}
