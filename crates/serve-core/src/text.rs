//! Functions that escape text, so that the text is safe to print.

use std::fmt::Write;

/// The maximum length of a preview, in characters.
const PREVIEW_CHARS_MAX: usize = 80;

/// Returns a preview of the data that a client sent. The preview has at most 80 characters.
/// Printable ASCII is unchanged. Other bytes are escaped as in a Rust byte string (`\r`, `\x1b`),
/// so that a client cannot control a terminal or forge a log line. An escape sequence is never
/// truncated.
pub(crate) fn preview(bytes: &[u8]) -> String {
    let mut preview = String::new();
    for &byte in bytes.iter().take(PREVIEW_CHARS_MAX) {
        let escaped = byte.escape_ascii();
        if preview.len() + escaped.len() > PREVIEW_CHARS_MAX {
            break;
        }
        preview.extend(escaped.map(char::from));
    }
    preview
}

/// Returns the text on one line. Characters that control a terminal are escaped, and all other
/// characters are unchanged.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        match controls_terminal(character) {
            true => printable.extend(character.escape_default()),
            false => printable.push(character),
        }
    }
    printable
}

/// Appends `text` to `out` as a JSON string in quotation marks. Characters that control a terminal
/// are escaped even if JSON permits them.
pub(crate) fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // All these characters are in the basic multilingual plane, so four digits suffice.
            control if controls_terminal(control) => {
                write!(out, "\\u{:04x}", u32::from(control))
                    .expect("writing to a String cannot fail");
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
}

/// Returns whether a character can change how a terminal shows other text. Such characters are the
/// control characters, which include C1 (U+0080 to U+009F), and the bidirectional controls of
/// Unicode, which can make a line look like another line (UAX #9, section 2).
pub(crate) fn controls_terminal(character: char) -> bool {
    let is_bidirectional_control = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character.is_control() || is_bidirectional_control
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_escapes_bytes_that_are_not_printable_ascii() {
        assert_eq!(preview(b"GET / HTTP/1.1\r\n"), "GET / HTTP/1.1\\r\\n");
        assert_eq!(preview(b"\x1b[2J\0\xff\"\\"), "\\x1b[2J\\x00\\xff\\\"\\\\");
        assert_eq!(preview("é".as_bytes()), "\\xc3\\xa9");
    }

    #[test]
    fn a_preview_has_at_most_80_characters_and_no_truncated_escape() {
        assert_eq!(preview(&[b'a'; 1000]), "a".repeat(80));
        // 19 escape sequences have 76 characters. After three more letters, there is no space for
        // another escape sequence.
        let mut bytes = vec![0; 19];
        bytes.extend(b"abc\0");
        assert_eq!(preview(&bytes), format!("{}abc", "\\x00".repeat(19)));
    }

    #[test]
    fn printable_text_is_on_one_line() {
        assert_eq!(printable("C:\\ünï \"🌊\""), "C:\\ünï \"🌊\"");
        assert_eq!(printable("a\nb\x1b[31m"), "a\\nb\\u{1b}[31m");
    }

    #[test]
    fn characters_that_control_a_terminal_are_escaped() {
        // These are CSI (C1), a right-to-left override, an isolate and an Arabic letter mark.
        let text = "\u{9b}31m\u{202e}gpj\u{2066}.\u{61c}";
        assert_eq!(printable(text), "\\u{9b}31m\\u{202e}gpj\\u{2066}.\\u{61c}");
        let mut json = String::new();
        push_json_string(&mut json, text);
        assert_eq!(json, r#""\u009b31m\u202egpj\u2066.\u061c""#);
    }

    #[test]
    fn a_json_parser_returns_the_original_text() {
        for text in ["", "plain", "\"quoted\" \\ back", "line\nend\t\u{1}", "ünï\u{2028}🌊"] {
            let mut out = String::new();
            push_json_string(&mut out, text);
            assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }
}
