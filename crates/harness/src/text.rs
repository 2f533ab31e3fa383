//! Parses and formats sizes, durations, bytes and text.

use std::time::Duration;

use bytesize::ByteSize;

/// The number of bytes per line of [`hex`].
const HEX_LINE_BYTES: usize = 16;

/// Parses a size, such as `10` or `64KiB`. Returns the size in bytes.
///
/// # Errors
///
/// Returns a description of the format if the text is invalid.
pub fn bytes(text: &str) -> Result<u64, String> {
    let help = "pass a number of bytes, or a size with a unit: 536, 64KiB, 20MB";
    text.trim().parse::<ByteSize>().map(|size| size.as_u64()).map_err(|_| help.to_owned())
}

/// Parses a size that is greater than zero. Returns the size in bytes.
///
/// # Errors
///
/// Returns a description of the format if the text is invalid.
pub fn positive_bytes(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        0 => Err("the minimum is 1".to_owned()),
        bytes => Ok(bytes),
    }
}

/// Parses a duration. The text contains a number of seconds, such as `3` or `0.5`, or a number with
/// a unit, such as `500ms`.
///
/// # Errors
///
/// Returns a description of the format if the text is invalid.
pub fn duration(text: &str) -> Result<Duration, String> {
    let help = "pass a number of seconds, or a duration with a unit: 3, 0.5, 500ms, 2m";
    match text.trim().parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| help.to_owned()),
        Err(_) => humantime::parse_duration(text).map_err(|_| help.to_owned()),
    }
}

/// Replaces the escapes `\r`, `\n`, `\t`, `\\` and `\xNN` with the bytes that they represent.
///
/// # Errors
///
/// Returns a list of the valid escapes if the text contains an invalid one.
pub fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        out.push(match chars.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('\\') => b'\\',
            Some('x') => {
                let mut digit = || chars.next().and_then(|char| char.to_digit(16));
                match (digit(), digit()) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => {
                        return Err(
                            "`\\x` must be followed by two hexadecimal digits: `\\x0a`".to_owned()
                        );
                    }
                }
            }
            _ => return Err("`\\` must be followed by r, n, t, \\ or xNN".to_owned()),
        });
    }
    Ok(out)
}

/// Formats a number of bytes with its unit, such as `156926 bytes` or `1 byte`.
#[must_use]
pub fn count_bytes(bytes: u64) -> String {
    match bytes {
        1 => "1 byte".to_owned(),
        _ => format!("{bytes} bytes"),
    }
}

/// Formats a whole number for prose, with thousands separators, such as `156,926`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Formats a value with at least two significant digits, such as `0.012`, `1.00`, `12.3` or
/// `1234567`.
#[must_use]
pub fn significant(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        ..0.001 => format!("{value:.5}"),
        ..0.1 => format!("{value:.3}"),
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Formats a duration in a suitable unit, such as `0.4 ms`, `250 ms` or `3.0 s`.
#[must_use]
pub fn elapsed(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1e3;
    match ms {
        // These limits take rounding into account, so that 9.96 becomes `10` instead of `10.0`.
        ..9.95 => format!("{ms:.1} ms"),
        ..999.5 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1e3),
    }
}

/// Formats bytes as hexadecimal numbers and as characters, with 16 bytes per line. If `has_more` is
/// true, the last line ends with an ellipsis.
#[must_use]
pub fn hex(bytes: &[u8], has_more: bool) -> String {
    let mut out = String::new();
    let lines = bytes.chunks(HEX_LINE_BYTES);
    let last = lines.len().saturating_sub(1);
    for (index, line) in lines.enumerate() {
        let mut digits = String::new();
        for (index, byte) in line.iter().enumerate() {
            let gap = if index == HEX_LINE_BYTES / 2 { " " } else { "" };
            digits.push_str(&format!("{gap}{byte:02x} "));
        }
        let visible = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
        let chars: String = line.iter().map(visible).collect();
        let more = if has_more && index == last { " …" } else { "" };
        // A line contains two digits and a space per byte, and one more space in the middle.
        out.push_str(&format!("{digits:width$} {chars}{more}\n", width = HEX_LINE_BYTES * 3 + 1));
    }
    out
}

/// Returns the line of a program's output that best explains why the program ended. This is the
/// first line that contains an error or a panic. If no line contains an error or a panic, returns
/// the last line. Removes characters that control a terminal.
#[must_use]
pub fn error_line(output: &str) -> Option<String> {
    let mut lines = output.lines().filter(|line| !line.trim().is_empty());
    let is_error = |line: &&str| {
        let line = line.to_ascii_lowercase();
        ["error:", "error[", "panicked", "[emerg]"].iter().any(|word| line.contains(word))
    };
    let line = match lines.clone().find(is_error) {
        // The output of a Rust panic contains the location in the first line, and the message in
        // the second line.
        Some(line) if line.ends_with(':') => {
            let next = lines.skip_while(|it| *it != line).nth(1).unwrap_or_default();
            format!("{line} {next}")
        }
        Some(line) => line.to_owned(),
        None => lines.next_back()?.to_owned(),
    };
    Some(line.trim().chars().filter(|&char| !controls_terminal(char)).collect())
}

/// Escapes the characters that control a terminal, such as `\u{1b}`. Text from a server must be
/// escaped before it is printed.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for char in text.chars() {
        match controls_terminal(char) {
            true => printable.extend(char.escape_default()),
            false => printable.push(char),
        }
    }
    printable
}

/// Returns whether a character can change how a terminal shows other text. These are the control
/// characters and the bidirectional controls of Unicode. `serve-core` has the same rule.
fn controls_terminal(char: char) -> bool {
    let is_bidirectional_control = matches!(
        char,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    char.is_control() || is_bidirectional_control
}

/// Breaks text into lines of at most `width` characters. Breaks lines only between words.
#[must_use]
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("`lines` contains at least one line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
