//! Checks the response header that the `http` preamble contains.

use super::common::*;
use crate::difference::shown;

/// Sends a GET request. Expects a header with one of the given statuses, and then the content.
/// Returns the header.
pub fn expect_http(server: &Server, statuses: &[&str], content: &[u8]) -> Result<String, Stop> {
    let client = server.connect()?;
    client.send(REQUEST.as_bytes())?;
    let (got, ending) = client.read_reply();
    let end = got.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
    let Some((header, body)) = end.map(|end| got.split_at(end)) else {
        let shown = shown(&got);
        return Err(Stop::fail(format!(
            "expected an empty line after the header, got \"{shown}\""
        )));
    };
    let header = String::from_utf8_lossy(header).into_owned();
    expect_header(&header, statuses, content.len())?;
    client.expect_reply(body, content, ending).context("after the header")?;
    Ok(header)
}

/// Parses the header as strictly as an HTTP client, and checks the lines that every response needs.
pub fn expect_header(header: &str, statuses: &[&str], bytes: usize) -> Outcome {
    let shown = header.escape_debug();
    let is_crlf = header.matches('\n').count() == header.matches("\r\n").count();
    demand!(is_crlf, "expected \\r\\n at the end of each header line, got \"{shown}\"");
    let mut lines = header.trim_end().split("\r\n");
    let first = lines.next().unwrap_or_default();
    let actual = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split(' ').next());
    let is_correct = actual.is_some_and(|actual| statuses.contains(&actual));
    let expected = statuses.join(" or ");
    demand!(is_correct, "expected status line HTTP/1.1 {expected}, got \"{first}\"");
    for line in lines {
        let name = line.split_once(':').map_or("", |(name, _)| name);
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_valid = !name.is_empty() && name.bytes().all(is_token);
        let line = line.escape_debug();
        demand!(is_valid, "expected a header line \"name: value\", got \"{line}\"");
    }
    for (name, value) in [("content-length", &*bytes.to_string()), ("connection", "close")] {
        let actual = field(header, name);
        let is_correct = actual.is_some_and(|actual| actual.eq_ignore_ascii_case(value));
        demand!(is_correct, "expected \"{name}: {value}\", got {}", described(name, actual));
    }
    let lengths = fields(header, "content-length").count();
    demand!(lengths == 1, "expected one content-length line, got {lengths}");
    let name = "transfer-encoding";
    let encoding = field(header, name);
    demand!(encoding.is_none(), "expected no {name} line, got {}", described(name, encoding));
    Ok(())
}

/// Returns the value of a header field, or `None` if the header does not contain the field.
pub fn field<'h>(header: &'h str, name: &'h str) -> Option<&'h str> {
    fields(header, name).next()
}

/// Returns the values of all header fields with this name.
fn fields<'h>(header: &'h str, name: &'h str) -> impl Iterator<Item = &'h str> {
    let fields = header.lines().skip(1).filter_map(|line| line.split_once(':'));
    let values = fields.filter(move |(field, _)| field.eq_ignore_ascii_case(name));
    values.map(|(_, value)| value.trim())
}

fn described(name: &str, value: Option<&str>) -> String {
    value.map_or("no such field".to_owned(), |value| format!("\"{name}: {value}\""))
}
