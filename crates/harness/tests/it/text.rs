//! Tests the parsing and formatting of sizes, durations and bytes.

use std::time::Duration;

use harness::text::{
    bytes, count_bytes, duration, elapsed, error_line, grouped, hex, positive_bytes, printable,
    significant, unescape, wrapped,
};

#[test]
fn sizes_and_durations_are_parsed() {
    assert_eq!(bytes("10"), Ok(10));
    assert_eq!(bytes("64KiB"), Ok(65_536));
    assert!(bytes("much").unwrap_err().contains("64KiB"));
    assert!(positive_bytes("0").is_err());
    assert_eq!(duration("3"), Ok(Duration::from_secs(3)));
    assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
    assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
    for invalid in ["soon", "-1", "inf", ""] {
        assert!(duration(invalid).unwrap_err().contains("500ms"), "{invalid}");
    }
}

#[test]
fn escapes_are_replaced() {
    assert_eq!(unescape("GET /\\r\\n"), Ok(b"GET /\r\n".to_vec()));
    assert_eq!(unescape("ä\\t\\\\\\xff"), Ok(b"\xc3\xa4\t\\\xff".to_vec()));
    for invalid in ["\\", "\\q", "\\x", "\\x0", "\\xzz"] {
        assert!(unescape(invalid).unwrap_err().contains("must be followed"), "{invalid}");
    }
}

#[test]
fn numbers_and_durations_are_formatted() {
    assert_eq!(count_bytes(1), "1 byte");
    assert_eq!(count_bytes(0), "0 bytes");
    assert_eq!(count_bytes(156_926), "156926 bytes");
    assert_eq!(grouped(1_000_000), "1,000,000");
    let values = [0.0, 0.0123, 1.0, 12.34, 123.4, 1_234_567.0].map(significant);
    assert_eq!(values, ["0", "0.012", "1.00", "12.3", "123", "1234567"]);
    let formatted = |us| elapsed(Duration::from_micros(us));
    assert_eq!(formatted(412), "0.4 ms");
    assert_eq!(formatted(9_949), "9.9 ms");
    assert_eq!(formatted(9_960), "10 ms");
    assert_eq!(formatted(999_400), "999 ms");
    assert_eq!(formatted(999_600), "1.0 s");
    assert_eq!(formatted(3_000_000), "3.0 s");
}

#[test]
fn hex_shows_digits_and_characters() {
    let line = "48 54 54 50 2f 31 2e 31  0a 0a                    HTTP/1.1..\n";
    assert_eq!(hex(b"HTTP/1.1\n\n", false), line);
    let two = hex(&[0; 32], true);
    assert_eq!(two.lines().count(), 2);
    assert!(two.ends_with(" ................ …\n"));
    assert!(two.lines().all(|line| line.chars().count() <= 80));
    assert_eq!(hex(&[], false), "");
}

#[test]
fn the_line_with_the_error_is_found() {
    let line = |output: &str| error_line(output).unwrap_or_default();
    assert_eq!(line("starting\nlast\n\n"), "last");
    assert_eq!(line("error: no file\nhelp: make one\n"), "error: no file");
    let panic = "\nthread 'main' panicked at src/main.rs:1:1:\nindex out of range\nnote: x\n";
    assert_eq!(line(panic), "thread 'main' panicked at src/main.rs:1:1: index out of range");
    assert_eq!(line("  at \x1b[1mx\nTypeError: x\x07 is not y\n  at z"), "TypeError: x is not y");
    assert_eq!(line("error: \u{202e}\u{9b}31mx"), "error: 31mx");
    assert_eq!(error_line("\n"), None);
}

#[test]
fn characters_that_control_a_terminal_are_escaped() {
    assert_eq!(printable("ünï 🌊 C:\\"), "ünï 🌊 C:\\");
    // These are ESC, CSI (C1), a right-to-left override, an isolate and an Arabic letter mark.
    let text = "\x1b[31m\u{9b}31m\u{202e}gpj\u{2066}.\u{61c}";
    let escaped = "\\u{1b}[31m\\u{9b}31m\\u{202e}gpj\\u{2066}.\\u{61c}";
    assert_eq!(printable(text), escaped);
}

#[test]
fn lines_break_between_words() {
    assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
    assert_eq!(wrapped("unbreakable", 3), ["unbreakable"]);
}
