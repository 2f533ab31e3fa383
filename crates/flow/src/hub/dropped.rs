//! The last values in the lines that the history no longer contains.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The merged lines of each server, thread, client and connection that still exists. Without these
/// lines, a page that is opened later would not know the names of the threads, for example, because
/// a line contains only the values that have changed.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    objects: BTreeMap<Key, Map<String, Value>>,
    /// The time of the last line.
    at_us: u64,
}

/// The type of a line, the index of the server, and the number of the connection or thread.
type Key = (Type, u64, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Type {
    Server,
    Scenario,
    Client,
    Connection,
    Thread,
    Usage,
}

impl Dropped {
    /// Merges a line that is dropped. Events and notes are not kept.
    pub fn add(&mut self, line: &str) {
        let Ok(Value::Object(mut line)) = serde_json::from_str(line) else { return };
        let number = |name: &str| line.get(name).and_then(Value::as_u64).unwrap_or_default();
        let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
        self.at_us = self.at_us.max(number("at_us"));
        let (server, connection) = (number("server"), number("connection"));
        let key = match text("type") {
            "server" => (Type::Server, server, 0),
            "scenario" => (Type::Scenario, 0, 0),
            "client" => (Type::Client, server, connection),
            "connection" => (Type::Connection, server, connection),
            "thread" => (Type::Thread, server, number("thread")),
            "usage" => (Type::Usage, server, 0),
            _ => return,
        };
        match (key.0, text("state")) {
            (Type::Connection, "closed" | "reset") => {
                self.objects.remove(&(Type::Client, server, connection));
                self.objects.remove(&key);
            }
            (Type::Thread, "ended") => drop(self.objects.remove(&key)),
            // A line of a client contains all settings. A server that has started again has new
            // values.
            (Type::Client | Type::Scenario, _) => drop(self.objects.insert(key, line)),
            (Type::Server, _) if line.contains_key("command") => {
                self.objects.insert(key, line);
            }
            (Type::Thread, _) => {
                let previous = self.objects.remove(&key).unwrap_or_default();
                // A missing name has not changed. A missing call means that there is none.
                if let Some(name) = previous.get("name") {
                    line.entry("name").or_insert_with(|| name.clone());
                }
                self.objects.insert(key, line);
            }
            // The first line about a connection has a state. Other lines may follow its end.
            (Type::Connection, "") if !self.objects.contains_key(&key) => {}
            _ => self.objects.entry(key).or_default().append(&mut line),
        }
    }

    /// Returns the time of the last line.
    pub fn at_us(&self) -> u64 {
        self.at_us
    }

    /// Returns the merged lines, each with a newline. All lines have the same time.
    pub fn lines(&self) -> String {
        let line = |object: &Map<String, Value>| {
            let mut object = object.clone();
            object.insert("at_us".to_owned(), self.at_us.into());
            serde_json::to_string(&object).expect("the keys of an object are strings") + "\n"
        };
        self.objects.values().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_values_of_each_object_are_kept() {
        let mut dropped = Dropped::default();
        for line in [
            r#"{"type":"server","at_us":1,"server":0,"command":"one","preamble_bytes":10}"#,
            r#"{"type":"client","at_us":2,"server":0,"connection":1,"speed":7,"upload":9}"#,
            r#"{"type":"client","at_us":3,"server":0,"connection":1,"speed":8}"#,
            r#"{"type":"connection","at_us":4,"server":0,"connection":1,"state":"writing"}"#,
            r#"{"type":"connection","at_us":5,"server":0,"connection":1,"written":6}"#,
            r#"{"type":"client","at_us":6,"server":0,"connection":2}"#,
            r#"{"type":"connection","at_us":7,"server":0,"connection":2,"state":"closed"}"#,
            r#"{"type":"thread","at_us":8,"server":0,"thread":1,"state":"ended"}"#,
            r#"{"type":"thread","at_us":8,"server":0,"thread":2,"name":"a","state":"blocked","call":"b"}"#,
            r#"{"type":"thread","at_us":8,"server":0,"thread":2,"state":"running"}"#,
            r#"{"type":"event","at_us":9,"server":0,"event":"listening"}"#,
            r#"{"type":"server","at_us":10,"server":0,"ended":"exit code 0"}"#,
        ] {
            dropped.add(line);
        }
        let lines: Vec<Value> =
            dropped.lines().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let expected = serde_json::json!([
            { "type": "server", "at_us": 10, "server": 0, "command": "one", "preamble_bytes": 10,
                "ended": "exit code 0" },
            { "type": "client", "at_us": 10, "server": 0, "connection": 1, "speed": 8 },
            { "type": "connection", "at_us": 10, "server": 0, "connection": 1, "state": "writing",
                "written": 6 },
            { "type": "thread", "at_us": 10, "server": 0, "thread": 2, "name": "a",
                "state": "running" },
        ]);
        assert_eq!(Value::Array(lines), expected);
    }
}
