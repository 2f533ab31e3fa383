//! Checks the order of a server's events.

use std::collections::HashMap;

use serde_json::Value;

use crate::verdict::{Outcome, Stop, demand};

/// Parses the lines of a log. Fails if a line is not an event.
pub fn parse(lines: &[String]) -> Result<Vec<Value>, Stop> {
    let parse = |line: &String| match serde_json::from_str::<Value>(line) {
        Ok(event) if event["event"].is_string() && event["at_us"].is_u64() => Ok(event),
        _ => Err(Stop::fail(format!("expected an event, got \"{}\"", line.escape_debug()))),
    };
    lines.iter().map(parse).collect()
}

/// Checks that the events are in the order that the contract requires.
pub fn expect_grammar(events: &[Value]) -> Outcome {
    let Some(first) = events.first() else {
        return Err(Stop::fail("expected the event listening, got no events"));
    };
    demand!(first["event"] == "listening", "expected the first event to be listening, got {first}");
    // For each connection, the map states whether the connection is open, and contains the number
    // of `file_ended` events.
    let mut connections: HashMap<u64, (bool, u32)> = HashMap::new();
    let mut last_at_us = 0;
    for event in events {
        let at_us = event["at_us"].as_u64().unwrap_or(0);
        demand!(at_us >= last_at_us, "expected at_us to be at least {last_at_us}, got {event}");
        last_at_us = at_us;
        let Some(conn) = event["conn"].as_u64() else { continue };
        let name = event["event"].as_str().unwrap_or_default();
        if name == "connected" {
            let is_new = connections.insert(conn, (true, 0)).is_none();
            demand!(is_new, "expected one connected event per connection, got a second: {event}");
            continue;
        }
        let Some((is_open, files_ended)) = connections.get_mut(&conn) else {
            return Err(Stop::fail(format!(
                "expected a connected event before {name}, got {event}"
            )));
        };
        demand!(*is_open, "expected no event after disconnected, got {event}");
        match name {
            "disconnected" => *is_open = false,
            "file_ended" => *files_ended += 1,
            _ => {}
        }
        demand!(*files_ended <= 1, "expected at most one file_ended event, got a second: {event}");
    }
    let still_open = connections.values().filter(|(is_open, _)| *is_open).count();
    demand!(
        still_open == 0,
        "expected a disconnected event per connection, got none for {still_open} connections"
    );
    Ok(())
}
