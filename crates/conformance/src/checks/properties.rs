//! Tests with random input of the code that parses and compares what a server sent.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::grammar::{expect_grammar, parse};
use super::header::{expect_header, field};
use crate::difference::{difference, shown};
use crate::verdict::{Outcome, Stop};

/// Words that occur in headers and logs. Arbitrary text with these words often begins correctly.
const WORDS: &[&str] = &[
    "HTTP/1.1 200 OK",
    "\r\n",
    "\n",
    ":",
    " ",
    "content-length",
    "connection",
    "close",
    "7",
    "{",
    "}",
    "\"",
    "\u{9b}",
    "\u{202e}",
    "\x1b[31m",
    "é",
];

/// The names of events that the order of events depends on.
const EVENTS: &[&str] = &["listening", "connected", "file_ended", "disconnected"];

fn text() -> impl Strategy<Value = String> {
    let word = select(WORDS).prop_map(str::to_owned);
    let character = any::<char>().prop_map(String::from);
    vec(prop_oneof![word, character], 0..30).prop_map(|words| words.concat())
}

/// Returns an error if a failure contains characters that control a terminal.
fn expect_printable(outcome: Outcome) -> Result<(), TestCaseError> {
    if let Err(Stop::Fail(message) | Stop::Skip(message)) = outcome {
        let controls = ['\u{9b}', '\u{202e}'];
        prop_assert!(!message.contains(|char: char| char.is_control() || controls.contains(&char)));
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_difference_is_found_exactly_if_there_is_one(
        common in vec(any::<u8>(), 0..60),
        actual in vec(any::<u8>(), 0..4),
        expected in vec(any::<u8>(), 0..4),
    ) {
        let [actual, expected] = [actual, expected].map(|rest| [&common[..], &rest].concat());
        prop_assert_eq!(difference(&actual, &expected).is_none(), actual == expected);
        prop_assert!(shown(&actual).trim_end_matches('…').len() <= 48);
        let message = difference(&actual, &expected).unwrap_or_default().replace('…', "");
        prop_assert!(message.chars().all(|char| matches!(char, ' '..='~')), "{message}");
    }

    #[test]
    fn a_correct_header_passes(
        bytes: usize,
        names in vec("x-[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,9}", 0..4),
        value in "[ -~]{0,20}",
    ) {
        let mut header = "HTTP/1.1 200 OK\r\nConnection: close\r\n".to_owned();
        header += &format!("CONTENT-length:{bytes}\r\n");
        names.iter().for_each(|name| header += &format!("{name}: {value}\r\n"));
        header += "\r\n";
        prop_assert!(expect_header(&header, &["200"], bytes).is_ok());
        prop_assert!(names.iter().all(|name| field(&header, name) == Some(value.trim())));
        prop_assert!(expect_header(&header, &["404"], bytes).is_err());
        prop_assert!(expect_header(&header, &["200"], bytes ^ 1).is_err());
    }

    #[test]
    fn any_header_is_accepted_or_explained(header in text()) {
        expect_printable(expect_header(&header, &["200"], 7))?;
    }

    #[test]
    fn any_log_is_accepted_or_explained(lines in vec(text(), 0..4)) {
        expect_printable(parse(&lines).and_then(|events| expect_grammar(&events)))?;
    }

    #[test]
    fn any_order_of_events_is_accepted_or_explained(
        events in vec((0..9_u64, select(EVENTS), 1..3_u64), 0..12),
    ) {
        let event = |(at_us, event, conn)| json!({ "at_us": at_us, "event": event, "conn": conn });
        let events: Vec<_> = events.into_iter().map(event).collect();
        let outcome = expect_grammar(&events);
        if outcome.is_ok() {
            let count = |name| events.iter().filter(|event| event["event"] == name).count();
            prop_assert_eq!(count("connected"), count("disconnected"));
        }
        expect_printable(outcome)?;
    }
}
