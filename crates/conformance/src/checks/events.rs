//! What the server tells, if it tells it as JSON: clauses 5, 10 and 11.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use crate::check::{Check, Outcome, Stop, demand};
use crate::content::noise;
use crate::server::{Server, Stage};
use crate::system::{self, Signal};

const SECONDS: Duration = Duration::from_secs(10);

pub const CHECKS: &[Check] = &[
    Check {
        id: "events",
        title: "Each connection's events have the contract's order and counts",
        clause: 11,
        stimulus: "clients read all, half-close, send a request, reset, and close early; then SIGTERM",
        expected: "listening first; for each conn: connected, … , disconnected, each once; file_ended \
                   at most once and only for whole files; sent and received are what went over the \
                   wire; shutdown",
        hint: "Tell disconnected in one place that every way out passes, after the socket is closed.",
        is_heavy: false,
        run: events,
    },
    Check {
        id: "events-escaped",
        title: "What a client says reaches the log escaped",
        clause: 12,
        stimulus: "a client sends control characters, quotes, a line end and a forged event",
        expected: "each line is one JSON object; no preview is longer than 80 characters or holds a \
                   control character",
        hint: "Escape what comes from outside before it is printed: \\x1b, not the byte itself.",
        is_heavy: false,
        run: events_escaped,
    },
    Check {
        id: "events-flood",
        title: "A flooder cannot fill the log",
        clause: 5,
        stimulus: "a client sends 2,000 small words, one by one, over 2 s",
        expected: "one data event at once, then at most ten a second, which sum up to all bytes",
        hint: "After a client's first data event, count what comes and tell it every 100 ms.",
        is_heavy: false,
        run: events_flood,
    },
];

/// A server that has served one client, if it tells JSON events.
fn telling_server(stage: &Stage<'_>, content: &[u8]) -> Result<Server, Stop> {
    let server = stage.serve(content)?;
    server.expect_whole(content)?;
    if server.wait_for_events(Duration::from_secs(2), |events| !events.is_empty()) {
        return Ok(server);
    }
    let lines = server.lines();
    if lines.iter().any(|line| is_event(line)) {
        let first = lines[0].escape_debug();
        return Err(Stop::fail(format!("it prints JSON events, but line 1 is none: {first}")));
    }
    Err(Stop::not_applicable("the server prints no JSON events"))
}

fn is_event(line: &str) -> bool {
    let event: Option<Value> = serde_json::from_str(line).ok();
    event.is_some_and(|event| event["event"].is_string())
}

fn count(events: &[Value], name: &str) -> usize {
    events.iter().filter(|event| event["event"] == name).count()
}

fn wait_for(server: &Server, expected: usize, name: &str) -> Outcome {
    if server.wait_for_events(SECONDS, |events| count(events, name) >= expected) {
        return Ok(());
    }
    let actual = count(&server.events().unwrap_or_default(), name);
    Err(Stop::fail(format!("{actual} events {name} instead of {expected} after 10 s")))
}

fn events(stage: &Stage<'_>) -> Outcome {
    let content = noise(200_000);
    let mut server = telling_server(stage, content)?;
    wait_for(&server, 1, "disconnected")?;
    let half_closing = server.connect()?;
    half_closing.half_close()?;
    half_closing.expect_whole(content)?;
    drop(half_closing);
    wait_for(&server, 2, "disconnected")?;
    let asking = server.connect()?;
    asking.send(b"a request of 21 bytes")?;
    asking.expect_whole(content)?;
    drop(asking);
    wait_for(&server, 3, "disconnected")?;
    stage.set_len(64 << 20)?;
    for _ in 0..2 {
        let leaving = server.connect()?;
        leaving.read_exactly(server.preamble().len() + 1)?;
        leaving.reset();
    }
    wait_for(&server, 5, "disconnected")?;
    if system::HAS_SIGNALS {
        server.signal(Signal::Terminate);
        demand!(server.wait(SECONDS).is_some(), "10 s after SIGTERM it still runs");
    }
    let lines = server.all_lines_if_ended();
    let events = parsed(&lines)?;
    expect_grammar(&events)?;
    demand!(count(&events, "file_ended") == 3, "file_ended is told for a file that was cut short");
    expect_words(&events, &server, content.len() as u64)?;
    let whole = (content.len() + server.preamble().len()) as u64;
    let disconnected: Vec<&Value> =
        events.iter().filter(|event| event["event"] == "disconnected").collect();
    demand!(disconnected.len() == 5, "{} disconnected for 5 clients", disconnected.len());
    for (client, event) in disconnected.iter().take(3).enumerate() {
        let received = if client == 2 { 21 } else { 0 };
        let is_right = event["sent"] == whole && event["received"] == received;
        demand!(is_right, "it sent {whole} and received {received}, but tells {event}");
    }
    demand!(
        !system::HAS_SIGNALS || count(&events, "shutdown") == 1,
        "shutdown is told {} times",
        count(&events, "shutdown")
    );
    Ok(())
}

/// What some events have to say besides their place.
fn expect_words(events: &[Value], server: &Server, file_bytes: u64) -> Outcome {
    let listening = &events[0];
    let port = format!(":{}", server.addr.port());
    let is_right = listening["addr"].as_str().is_some_and(|addr| addr.ends_with(&port));
    demand!(is_right, "it listens on port {}, but tells {listening}", server.addr.port());
    demand!(listening["bytes"] == file_bytes, "the file has {file_bytes} bytes: {listening}");
    for event in events.iter().filter(|event| event["event"] == "file_ended") {
        demand!(event["bytes"] == file_bytes, "the file has {file_bytes} bytes: {event}");
    }
    let has_kind = events.iter().any(|event| event["kind"] == "connection_reset");
    demand!(has_kind, "two clients reset the connection, and no error of that kind tells it");
    Ok(())
}

pub fn parsed(lines: &[String]) -> Result<Vec<Value>, Stop> {
    let parse = |line: &String| match serde_json::from_str::<Value>(line) {
        Ok(event) if event["event"].is_string() && event["at_us"].is_u64() => Ok(event),
        _ => Err(Stop::fail(format!("a line is no event: {}", line.escape_debug()))),
    };
    lines.iter().map(parse).collect()
}

pub fn expect_grammar(events: &[Value]) -> Outcome {
    let first = &events[0];
    demand!(first["event"] == "listening", "the first event is {first}");
    // For each connection: whether it is open, and how often file_ended was told.
    let mut connections: HashMap<u64, (bool, u32)> = HashMap::new();
    let mut last_at_us = 0;
    for event in events {
        let at_us = event["at_us"].as_u64().unwrap_or(0);
        demand!(at_us >= last_at_us, "time goes back at {event}");
        last_at_us = at_us;
        let Some(conn) = event["conn"].as_u64() else { continue };
        let name = event["event"].as_str().unwrap_or_default();
        if name == "connected" {
            let is_new = connections.insert(conn, (true, 0)).is_none();
            demand!(is_new, "connection {conn} is connected twice");
            continue;
        }
        let Some((is_open, files_ended)) = connections.get_mut(&conn) else {
            return Err(Stop::fail(format!("{name} before connected: {event}")));
        };
        demand!(*is_open, "{name} after disconnected: {event}");
        match name {
            "disconnected" => *is_open = false,
            "file_ended" => *files_ended += 1,
            _ => {}
        }
        demand!(*files_ended <= 1, "file_ended twice: {event}");
    }
    let still_open: Vec<_> = connections.iter().filter(|(_, (is_open, _))| *is_open).collect();
    demand!(still_open.is_empty(), "no disconnected for {} connections", still_open.len());
    Ok(())
}

/// Whatever the server prints, and in whatever form.
fn expect_nothing_raw(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(1000))?;
    let client = server.connect()?;
    client.send(b"\x1b[31m\x07\nforged line\n")?;
    client.expect_whole(noise(1000))?;
    drop(client);
    // Another client's lines come after those of this one.
    server.expect_whole(noise(1000))?;
    std::thread::sleep(Duration::from_millis(300));
    for line in server.lines() {
        let is_raw = line.contains(['\x1b', '\x07']) || line == "forged line";
        demand!(!is_raw, "a line of the log is the client's: {}", line.escape_debug());
    }
    Ok(())
}

fn events_escaped(stage: &Stage<'_>) -> Outcome {
    expect_nothing_raw(stage)?;
    let server = telling_server(stage, noise(1000))?;
    let client = server.connect()?;
    client.send(
        b"\x1b[2J\x07\"\\\r\n{\"at_us\":1,\"event\":\"shutdown\"}\n\xff\xfe\0 and more than 80 \
                  characters of harmless text, so that the preview has to end somewhere, please\n",
    )?;
    client.expect_whole(noise(1000))?;
    drop(client);
    wait_for(&server, 2, "disconnected")?;
    let lines = server.lines();
    let events = parsed(&lines)?;
    expect_grammar(&events)?;
    demand!(count(&events, "shutdown") == 0, "the client's words became an event");
    demand!(count(&events, "data") >= 1, "no data event for what the client said");
    for event in events.iter().filter(|event| event["event"] == "data") {
        let preview = event["preview"].as_str().unwrap_or_default();
        let characters = preview.chars().count();
        demand!(characters <= 80, "a preview of {characters} characters: {event}");
        let is_printable = preview.chars().all(|character| matches!(character, ' '..='~'));
        demand!(is_printable, "a preview holds what is not printable ASCII: {event}");
    }
    Ok(())
}

fn events_flood(stage: &Stage<'_>) -> Outcome {
    let server = telling_server(stage, noise(1000))?;
    stage.set_len(64 << 20)?;
    let client = server.connect_small()?;
    client.send(b"word")?;
    let is_told = |events: &[Value]| count(events, "data") >= 1;
    let in_time = server.wait_for_events(Duration::from_secs(1), is_told);
    demand!(in_time, "a second after the client's first word there is no data event");
    for _ in 1..2000 {
        client.send(b"word")?;
        std::thread::sleep(Duration::from_millis(1));
    }
    client.reset();
    wait_for(&server, 2, "disconnected")?;
    let events = server.events().unwrap_or_default();
    let of_flood = |name: &str| {
        let of_flood = events.iter().filter(|event| event["conn"] == 2);
        of_flood.filter(|event| event["event"] == name).cloned().collect::<Vec<Value>>()
    };
    let data = of_flood("data");
    let logged: u64 = data.iter().filter_map(|event| event["bytes"].as_u64()).sum();
    let at_us =
        |event: Option<&Value>| event.and_then(|event| event["at_us"].as_u64()).unwrap_or(0);
    let took_us = at_us(data.last()) - at_us(data.first());
    let (actual, most) = (data.len() as u64, 2 + 10 * took_us / 1_000_000);
    demand!(actual <= most, "{actual} data events in {} ms", took_us / 1000);
    let disconnected = of_flood("disconnected");
    let received = disconnected.first().and_then(|event| event["received"].as_u64()).unwrap_or(0);
    demand!(logged == received, "data events sum up to {logged}, disconnected says {received}");
    Ok(())
}
