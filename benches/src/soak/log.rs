//! Checks the log of a server.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

/// The kinds of errors that the clients of the soak cause: clients reset their connections, and
/// clients stall.
const EXPECTED_ERRORS: [&str; 2] = ["connection_reset", "stalled"];

/// The numbers of events in a log, by name. For an `error`, the name is its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    events: BTreeMap<String, u64>,
    errors: BTreeMap<String, u64>,
}

impl Events {
    /// Reads a log in JSON until EOF.
    pub fn read(log: impl Read) -> Self {
        let mut counts = Self::default();
        for line in BufReader::new(log).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            // The values are found without a JSON parser, which would need more CPU time than a
            // debug build has. The first occurrence is correct, because `event` precedes all data
            // from clients, and because the server escapes quotes in this data.
            let field = |name: &str| {
                let value = line.split_once(&format!("\"{name}\":\""))?.1;
                Some(value.split_once('"')?.0.to_owned())
            };
            let event = field("event").unwrap_or_else(|| "invalid".to_owned());
            if event == "error" {
                *counts.errors.entry(field("kind").unwrap_or_default()).or_default() += 1;
            }
            *counts.events.entry(event).or_default() += 1;
        }
        counts
    }

    /// Returns a description of each property of the log that is incorrect.
    pub fn problems(&self) -> Vec<String> {
        let count = |event: &str| self.events.get(event).copied().unwrap_or(0);
        let [connected, disconnected] = ["connected", "disconnected"].map(count);
        let mut problems = Vec::new();
        if connected != disconnected {
            problems.push(format!(
                "expected one `disconnected` event per connection, got {disconnected} events for \
                 {connected} connections"
            ));
        }
        for event in ["dropped", "invalid"] {
            if count(event) > 0 {
                problems
                    .push(format!("expected no `{event}` line in the log, got {}", count(event)));
            }
        }
        let unexpected =
            self.errors.iter().filter(|(kind, _)| !EXPECTED_ERRORS.contains(&&***kind));
        problems.extend(unexpected.map(|(kind, count)| {
            format!("expected no error of the kind `{kind}` in the log, got {count}")
        }));
        problems
    }
}
