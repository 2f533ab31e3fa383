//! Tests of the text form and the JSON form of events.

use std::io;

use serve_core::{ErrorKind, Event, EventKind};

/// Returns an example of each kind of event. Each example contains the event, the fields of the
/// JSON form, and the text form.
fn samples() -> Vec<(EventKind, &'static str, &'static str)> {
    let peer = "127.0.0.1:58170".parse().unwrap();
    vec![
        (
            EventKind::Listening {
                approach: "tokio",
                addr: "0.0.0.0:4000".parse().unwrap(),
                file: "a \"b\".webp".to_owned(),
                bytes: 7,
            },
            r#""event":"listening","approach":"tokio","addr":"0.0.0.0:4000","file":"a \"b\".webp","bytes":7"#,
            "listening on 0.0.0.0:4000 (tokio): a \"b\".webp, 7 bytes",
        ),
        (
            EventKind::Connected { conn: 1, peer },
            r#""event":"connected","conn":1,"peer":"127.0.0.1:58170""#,
            "#1 connected: 127.0.0.1:58170",
        ),
        (
            EventKind::Data { conn: 1, bytes: 4, preview: "a\\r\\n".to_owned() },
            r#""event":"data","conn":1,"bytes":4,"preview":"a\\r\\n""#,
            "#1 data, 4 bytes: a\\r\\n",
        ),
        (
            EventKind::Chunk { conn: 1, bytes: 65536, wait_us: 12 },
            r#""event":"chunk","conn":1,"bytes":65536,"wait_us":12"#,
            "#1 chunk, 65536 bytes: 12 us",
        ),
        (
            EventKind::FileEnded { conn: 1, bytes: 7 },
            r#""event":"file_ended","conn":1,"bytes":7"#,
            "#1 file ended: 7 bytes",
        ),
        (
            EventKind::Error { conn: Some(1), kind: ErrorKind::Stalled, message: "m".to_owned() },
            r#""event":"error","conn":1,"kind":"stalled","message":"m""#,
            "#1 error, stalled: m",
        ),
        (
            EventKind::Error {
                conn: None,
                kind: ErrorKind::NoDescriptors,
                message: "a\nb".to_owned(),
            },
            r#""event":"error","kind":"no_descriptors","message":"a\u000ab""#,
            "error, no_descriptors: a\\nb",
        ),
        (
            EventKind::Disconnected { conn: 1, sent: 17, received: 4 },
            r#""event":"disconnected","conn":1,"sent":17,"received":4"#,
            "#1 client disconnected: sent 17, received 4 bytes",
        ),
        (
            EventKind::Dropped { events: 3 },
            r#""event":"dropped","events":3"#,
            "dropped: 3 events, because the log could not be written",
        ),
        (EventKind::Shutdown, r#""event":"shutdown""#, "shutdown: no more connections"),
    ]
}

#[test]
fn every_event_has_its_json_form() {
    for (kind, fields, _) in samples() {
        let json = Event { at_us: 42, kind }.to_json();
        assert_eq!(json, format!("{{\"at_us\":42,{fields}}}"));
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(parsed["at_us"], 42);
    }
}

#[test]
fn every_event_has_its_text_form() {
    for (kind, _, text) in samples() {
        let line = Event { at_us: 1_000_042, kind }.to_string();
        assert_eq!(line, format!("   1.000042  {text}"));
    }
}

#[test]
fn io_errors_are_mapped_to_kinds() {
    let of = |kind: io::ErrorKind| ErrorKind::of(&io::Error::from(kind));
    assert_eq!(of(io::ErrorKind::NotFound), ErrorKind::NotFound);
    assert_eq!(of(io::ErrorKind::UnexpectedEof), ErrorKind::FileShrank);
    assert_eq!(of(io::ErrorKind::TimedOut), ErrorKind::Stalled);
    assert_eq!(of(io::ErrorKind::BrokenPipe), ErrorKind::ConnectionReset);
    assert_eq!(of(io::ErrorKind::Other), ErrorKind::Io);
    let out_of_descriptors = if cfg!(unix) { 24 } else { 10024 };
    let error = io::Error::from_raw_os_error(out_of_descriptors);
    assert_eq!(ErrorKind::of(&error), ErrorKind::NoDescriptors);
}
