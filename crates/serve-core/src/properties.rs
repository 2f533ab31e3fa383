//! Tests with random input of the code that parses arguments and escapes text.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::approach::TEST;
use crate::cli::{self, Request};
use crate::config::{CHUNK_BYTES_MAX, Config};
use crate::event::{ErrorKind, Event, EventKind};
use crate::limits::Resources;
use crate::text::preview;

/// Characters that often cause errors, such as quotation marks, controls and U+2028.
const SPECIAL: &[char] = &[
    '"', '\\', '/', '\n', '\r', '\t', '\0', '\x1b', '\x7f', '\u{85}', '\u{9b}', '\u{61c}',
    '\u{200e}', '\u{202e}', '\u{2028}', '\u{2066}', '\u{feff}', '\u{fffd}', 'é', '🌊',
];

/// Returns arbitrary text, of which about half consists of special characters.
fn text() -> impl Strategy<Value = String> {
    let character = prop_oneof![any::<char>(), select(SPECIAL)];
    vec(character, 0..40).prop_map(String::from_iter)
}

/// Returns whether a character can control a terminal.
fn is_control(character: char) -> bool {
    matches!(u32::from(character),
        0..=0x1f | 0x7f..=0x9f | 0x61c | 0x200e..=0x200f | 0x202a..=0x202e | 0x2066..=0x2069)
}

/// The resources of a system without limits.
const RESOURCES: Resources = Resources::UNLIMITED;

fn parse(args: &[&str]) -> Result<Config, String> {
    match cli::parse(&TEST, &RESOURCES, ["serve-test"].iter().chain(args))? {
        Request::Serve(config) => Ok(config),
        Request::Print(text) => Err(format!("expected a configuration, got text: {text}")),
    }
}

proptest! {
    #[test]
    fn a_json_parser_returns_the_text_of_an_event(file in text(), message in text()) {
        let addr = "127.0.0.1:4000".parse().unwrap();
        let listening =
            EventKind::Listening { approach: "test", addr, file: file.clone(), bytes: 7 };
        let error =
            EventKind::Error { conn: None, kind: ErrorKind::Io, message: message.clone() };
        for (kind, field, expected) in [(listening, "file", file), (error, "message", message)] {
            let event = Event { at_us: 1, kind };
            let json = event.to_json();
            prop_assert!(!json.contains(is_control), "{json:?}");
            let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&parsed[field], &expected);
            let line = event.to_string();
            prop_assert!(!line.contains(is_control), "{line:?}");
        }
    }

    #[test]
    fn a_preview_is_short_printable_ascii(bytes in vec(any::<u8>(), 0..200)) {
        let preview = preview(&bytes);
        prop_assert!(preview.len() <= 80);
        prop_assert!(preview.chars().all(|character| matches!(character, ' '..='~')));
        prop_assert!(bytes.escape_ascii().to_string().starts_with(&preview));
    }

    #[test]
    fn a_size_is_parsed_exactly(count in 1..=1024_u64, exponent in 0..=2_u32, is_binary: bool) {
        let (base, units) = match is_binary {
            true => (1024_u64, ["B", "KiB", "MiB"]),
            false => (1000, ["B", "KB", "MB"]),
        };
        let text = format!("{count}{}", units[exponent as usize]);
        let config = parse(&["--chunk-size", &text]).unwrap();
        prop_assert_eq!(config.chunk_bytes as u64, count * base.pow(exponent));
    }

    #[test]
    fn a_duration_is_parsed_exactly(seconds in 0..1_u64 << 40, nanos in 0..1_000_000_000_u32) {
        let duration = Duration::new(seconds, nanos);
        let text = humantime::format_duration(duration).to_string();
        prop_assert_eq!(parse(&["--grace", &text]).unwrap().grace, duration);
    }

    #[test]
    fn a_number_is_a_size_within_the_limits_or_an_error(
        text in "[0-9]{1,25}(\\.[0-9]{0,3})? ?[kKMGTP]?i?B?",
    ) {
        if let Ok(config) = parse(&["--chunk-size", &text]) {
            prop_assert!((1..=CHUNK_BYTES_MAX).contains(&(config.chunk_bytes as u64)));
        }
    }

    #[test]
    fn invalid_arguments_cause_an_error_with_help(
        flag in select(&["--chunk-size", "--grace", "--stall-timeout", "--workers", "--log"][..]),
        value in text(),
        others in vec(text(), 0..3),
    ) {
        let others = others.iter().map(String::as_str);
        let args: Vec<&str> = [flag, &value].into_iter().chain(others).collect();
        if let Err(error) = parse(&args) {
            prop_assert_eq!(error.lines().count(), 2, "{}", error);
            prop_assert!(error.contains("\nhelp: "), "{error}");
        }
    }
}
