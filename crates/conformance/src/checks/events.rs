//! Checks of the events that a server logs as JSON (clauses 5, 11 and 12).

use std::slice;

use serde_json::Value;

use super::common::*;
use super::grammar::{expect_grammar, parse};

/// The maximum time that a check waits for an event, or for the server to exit.
const EVENT_LIMIT: Duration = Duration::from_secs(10);

pub const CHECKS: &[Check] = &[
    Check {
        id: "events",
        title: "Events have the order and the values that the contract requires",
        clause: 11,
        stimulus: "three clients read the whole reply; the second client half-closes before it \
                   reads, and the third client sends a request before it reads; two more clients \
                   reset their connections early; then the server gets SIGTERM",
        expected: "the first event is listening; for each conn, the first event is connected, and \
                   the last event is disconnected; file_ended occurs once per whole file; sent and \
                   received are the numbers of bytes on the wire; shutdown occurs once",
        hint: "Log the disconnected event in one place that every path reaches, after the socket \
               is closed.",
        run: Light(events),
    },
    Check {
        id: "events-escaped",
        title: "Data from a client is escaped in the log",
        clause: 12,
        stimulus: "a client sends control characters, quotes, a newline and a forged event",
        expected: "each line is a JSON object; no preview is longer than 80 characters or contains \
                   a control character",
        hint: "Escape data from clients before you print it. For example, print \\x1b instead of \
               the byte.",
        run: Light(events_escaped),
    },
    Check {
        id: "events-flood",
        title: "A client cannot fill the log",
        clause: 5,
        stimulus: "a client sends 2000 short messages within 2 s",
        expected: "one data event immediately, then at most ten data events per second; together, \
                   these events report all bytes that the server received",
        hint: "After a client's first data event, count the bytes that the client sends. Log the \
               count every 100 ms.",
        run: Light(events_flood),
    },
];

/// Starts a server and expects that a client receives the whole reply. Skips the check if the
/// server does not log JSON events.
fn server_with_events(stage: &Stage, content: &[u8]) -> Result<Server, Stop> {
    let server = stage.serve(content)?;
    server.expect_whole(content)?;
    if server.wait_for_events(Duration::from_secs(2), |events| !events.is_empty()) {
        return Ok(server);
    }
    let lines = server.process.lines();
    if lines.iter().any(|line| parse(slice::from_ref(line)).is_ok()) {
        parse(&lines)?;
    }
    Err(Stop::skip("the server does not log JSON events"))
}

fn named<'e>(events: &'e [Value], name: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["event"] == name).collect()
}

fn wait_for_disconnected(server: &Server, count: usize) -> Outcome {
    if server.wait_for_events(EVENT_LIMIT, |events| named(events, "disconnected").len() >= count) {
        return Ok(());
    }
    let actual = named(&server.events().unwrap_or_default(), "disconnected").len();
    let s = EVENT_LIMIT.as_secs();
    Err(Stop::fail(format!("expected {count} disconnected events within {s} s, got {actual}")))
}

fn events(stage: &Stage) -> Outcome {
    let content = noise(200_000);
    let server = server_with_events(stage, content)?;
    wait_for_disconnected(&server, 1)?;
    let client = server.connect()?;
    client.half_close()?;
    client.expect_whole(content)?;
    drop(client);
    wait_for_disconnected(&server, 2)?;
    server.expect_whole_after("a request of 21 bytes", content)?;
    wait_for_disconnected(&server, 3)?;
    stage.set_len(LONG_BYTES)?;
    for _ in 0..2 {
        let client = server.connect()?;
        client.read_exactly(server.preamble.len() + 1)?;
        client.reset();
    }
    wait_for_disconnected(&server, 5)?;
    if Signal::EXIST {
        server.process.signal(Signal::Terminate);
        server.expect_end(EVENT_LIMIT)?;
    }
    let events = parse(&server.process.lines())?;
    expect_grammar(&events)?;
    expect_values(&events, &server, content.len() as u64)
}

/// Checks the values of the events that the check [`events`] causes. In that check, the first three
/// clients receive the whole file, and only the third client sends data.
fn expect_values(events: &[Value], server: &Server, file_bytes: u64) -> Outcome {
    let (listening, port) = (&events[0], format!(":{}", server.addr.port()));
    let is_correct = listening["addr"].as_str().is_some_and(|addr| addr.ends_with(&port));
    demand!(is_correct, "expected addr to end with {port}, got {listening}");
    let ended = named(events, "file_ended");
    let count = ended.len();
    demand!(count == 3, "expected 3 file_ended events for 3 whole files, got {count}");
    for event in [listening].into_iter().chain(ended) {
        demand!(event["bytes"] == file_bytes, "expected bytes to be {file_bytes}, got {event}");
    }
    let has_reset = events.iter().any(|event| event["kind"] == "connection_reset");
    demand!(has_reset, "expected an error event with the kind connection_reset, got none");
    let sent = file_bytes + server.preamble.len() as u64;
    let disconnected = named(events, "disconnected");
    let count = disconnected.len();
    demand!(count == 5, "expected 5 disconnected events for 5 clients, got {count}");
    for (event, received) in disconnected.into_iter().zip([0, 0, 21]) {
        let is_correct = event["sent"] == sent && event["received"] == received;
        demand!(
            is_correct,
            "expected sent to be {sent} and received to be {received}, got {event}"
        );
    }
    let count = named(events, "shutdown").len();
    demand!(!Signal::EXIST || count == 1, "expected 1 shutdown event, got {count}");
    Ok(())
}

/// Checks that the log does not contain unescaped data from a client, regardless of the log's
/// format.
fn expect_nothing_raw(stage: &Stage) -> Outcome {
    let server = stage.serve(noise(1000))?;
    let client = server.connect()?;
    client.send(b"\x1b[31m\x07\nforged line\n")?;
    require_read(&client)?;
    // The log lines for this client follow the log lines for the first client.
    server.expect_whole(noise(1000))?;
    thread::sleep(Duration::from_millis(300));
    for line in server.process.lines() {
        let is_raw = line.contains(['\x1b', '\x07']) || line == "forged line";
        let shown = line.escape_debug();
        demand!(!is_raw, "expected no unescaped data from the client, got the line \"{shown}\"");
    }
    Ok(())
}

/// Reads the reply. Skips the check if the server resets the connection, because the server then
/// may not have read the client's data.
fn require_read(client: &Client) -> Outcome {
    let (_, ending) = client.read_reply();
    match ending == Ending::Reset || client.is_closed_by_server() {
        true => Err(Stop::skip("the server reset a connection before it logged the client's data")),
        false => Ok(()),
    }
}

fn events_escaped(stage: &Stage) -> Outcome {
    expect_nothing_raw(stage)?;
    let server = server_with_events(stage, noise(1000))?;
    let client = server.connect()?;
    client.send(
        b"\x1b[2J\x07\"\\\r\n{\"at_us\":1,\"event\":\"shutdown\"}\n\xff\xfe\0 and more than 80 \
          characters of harmless text, so that the preview must be truncated\n",
    )?;
    require_read(&client)?;
    drop(client);
    wait_for_disconnected(&server, 2)?;
    let events = parse(&server.process.lines())?;
    expect_grammar(&events)?;
    let forged = named(&events, "shutdown").len();
    demand!(forged == 0, "expected no event that the client forged, got {forged}");
    let data = named(&events, "data");
    demand!(!data.is_empty(), "expected a data event, got none");
    for event in data {
        let preview = event["preview"].as_str().unwrap_or_default();
        let characters = preview.chars().count();
        demand!(
            characters <= 80,
            "expected a preview of at most 80 characters, got {characters}: {event}"
        );
        let is_printable = preview.chars().all(|character| matches!(character, ' '..='~'));
        demand!(is_printable, "expected a preview of printable ASCII, got {event}");
    }
    Ok(())
}

fn events_flood(stage: &Stage) -> Outcome {
    let server = server_with_events(stage, noise(1000))?;
    stage.set_len(LONG_BYTES)?;
    let client = server.connect_small()?;
    client.send(b"word")?;
    let has_data = |events: &[Value]| !named(events, "data").is_empty();
    let is_in_time = server.wait_for_events(Duration::from_secs(1), has_data);
    demand!(is_in_time, "expected a data event within 1 s of the client's first message, got none");
    for _ in 1..2000 {
        client.send(b"word")?;
        thread::sleep(Duration::from_millis(1));
    }
    client.reset();
    wait_for_disconnected(&server, 2)?;
    let mut events = server.events().unwrap_or_default();
    events.retain(|event| event["conn"] == 2);
    let number = |event: &&Value, name: &str| event[name].as_u64().unwrap_or(0);
    let data = named(&events, "data");
    let [first, last] =
        [data.first(), data.last()].map(|it| it.map_or(0, |it| number(it, "at_us")));
    let (ms, max) = ((last - first) / 1000, 2 + (last - first) / 100_000);
    let count = data.len() as u64;
    demand!(count <= max, "expected at most {max} data events in {ms} ms, got {count}");
    let sum: u64 = data.iter().map(|event| number(event, "bytes")).sum();
    let disconnected = named(&events, "disconnected");
    let received = disconnected.first().map_or(0, |event| number(event, "received"));
    demand!(sum == received, "expected {received} bytes in all data events, got {sum}");
    Ok(())
}
