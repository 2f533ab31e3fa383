//! Text that came from outside, made safe to print.

use std::fmt::Write;

/// The most characters of a preview: what a client sent, as the log shows it.
const PREVIEW_CHARS_MAX: usize = 80;

/// The beginning of what a client sent: printable ASCII as it is, all else escaped as in a Rust
/// byte string (`\r`, `\x1b`), so that no terminal and no log reader can be fooled. At most 80
/// characters, never half an escape.
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

/// Somebody's words on one line of a terminal: control characters are escaped, all else stays.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() {
            true => printable.extend(character.escape_default()),
            false => printable.push(character),
        }
    }
    printable
}

/// Appends `text` as a JSON string, quotes included.
pub(crate) fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control < ' ' => {
                write!(out, "\\u{:04x}", u32::from(control)).expect("a String takes all");
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_escapes_all_that_is_not_printable_ascii() {
        assert_eq!(preview(b"GET / HTTP/1.1\r\n"), "GET / HTTP/1.1\\r\\n");
        assert_eq!(preview(b"\x1b[2J\0\xff\"\\"), "\\x1b[2J\\x00\\xff\\\"\\\\");
        assert_eq!(preview("é".as_bytes()), "\\xc3\\xa9");
    }

    #[test]
    fn a_preview_has_at_most_80_characters_and_no_half_escape() {
        assert_eq!(preview(&[b'a'; 1000]), "a".repeat(80));
        // 19 escapes of four characters make 76; after three more letters no escape fits.
        let mut bytes = vec![0; 19];
        bytes.extend(b"abc\0");
        assert_eq!(preview(&bytes), format!("{}abc", "\\x00".repeat(19)));
    }

    #[test]
    fn printable_text_keeps_to_its_line() {
        assert_eq!(printable("C:\\ünï \"🌊\""), "C:\\ünï \"🌊\"");
        assert_eq!(printable("a\nb\x1b[31m"), "a\\nb\\u{1b}[31m");
    }

    #[test]
    fn json_strings_survive_a_json_parser() {
        for text in ["", "plain", "\"quoted\" \\ back", "line\nend\t\u{1}", "ünï\u{2028}🌊"] {
            let mut out = String::new();
            push_json_string(&mut out, text);
            assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }
}
