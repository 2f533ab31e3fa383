//! Tests the conversion of the output of commands, and the comparison of the output with a page.

use crate::repository::Repository;

pub const TESTS: &[(&str, fn())] = &[
    ("output::output_is_converted_for_a_page", output_is_converted_for_a_page),
    ("output::times_ports_and_processes_can_always_differ", times_and_ports_can_always_differ),
    ("output::with_vary_numbers_can_differ", with_vary_numbers_can_differ),
    ("output::with_shape_only_the_words_have_to_occur", with_shape_only_the_words_have_to_occur),
    ("output::with_any_order_the_order_can_differ", with_any_order_the_order_can_differ),
    ("output::the_first_difference_is_reported", the_first_difference_is_reported),
];

/// Checks a page that shows the lines `shown`, with a command that prints the lines `actual`.
/// Returns the error, or an empty string.
fn difference(options: &str, shown: &str, actual: &str) -> String {
    let repository = Repository::new();
    repository.write("out", actual);
    // The command contains the port 40000. If the page shows this port, the output must contain the
    // same port.
    let page = format!("<!-- run: {options} -->\n```console\n$ cat out # 40000\n{shown}\n```\n");
    repository.write("lessons/01-a.md", &page.replace("\n\n```", "\n```"));
    let output = repository.command(&["check", "lessons/01-a.md"]).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let error = output.lines().find_map(|line| line.strip_prefix("lessons/01-a.md:"));
    error.map_or(String::new(), |error| error.split("; help").next().unwrap().to_owned())
}

fn is_same(options: &str, shown: &str, actual: &str) -> bool {
    difference(options, shown, actual).is_empty()
}

fn output_is_converted_for_a_page() {
    let repository = Repository::new();
    let root = repository.path().display();
    let raw =
        format!("\x1b[1mbold\x1b[0m  \r\n 1%\r 2%\rdone\n{root}/target/x in {root}\n\x07\n\n\n");
    repository.write("out", &raw);
    let page = "<!-- run: exit 127, lines 5 -->\n```console\n$ cat out; y 2>&1\n```\n";
    let filled = repository.filled(page);
    let lines: Vec<&str> = filled.lines().skip(3).collect();
    assert_eq!(lines[..4], ["bold", "done", "target/x in .", "\\u{7}"]);
    let filled = repository.filled("<!-- run: exit 127 -->\n```console\n$ y\n```\n");
    assert!(filled.contains("\nbash: y: command not found\n"), "{filled}");
}

fn times_and_ports_can_always_differ() {
    let is = |shown: &str, actual: &str| is_same("", shown, actual);
    let connected = "   0.000425  #1 connected: 127.0.0.1:37078";
    assert!(!is(connected, "  12.1  #1 x"));
    assert!(is(connected, "  12.000001  #1 connected: 127.0.0.1:50000"));
    assert!(is(connected, "   0.000425  #1 connected: 127.34.5.6:50000"));
    assert!(is(r#"{"at_us":1,"wait_us":2}"#, r#"{"at_us":30,"wait_us":4}"#));
    assert!(is("pid 12, PID=3", "pid 4567, PID=89"));
    assert!(
        !is("127.0.0.1:40000", "127.0.0.1:40001"),
        "expected an error for a different port, got none"
    );
    assert!(!is("sent 156926", "sent 156927") && !is("127.0.0.1:4000", "127.0.0.1:4001"));
}

fn with_vary_numbers_can_differ() {
    assert!(is_same("vary", "a   12.5 ms, 1,000 b", "a 900 µs, 7 b"));
    assert!(!is_same("vary", "a 12", "b 12"));
    assert!(!is_same("vary", "a 12", "a 12\na 13"));
}

fn with_shape_only_the_words_have_to_occur() {
    assert!(is_same("shape", "7 reads took 3 ms\n…", "first line\nThis took 4 s for 9 reads"));
    let difference = difference("shape", "reads took", "reads\ntook");
    assert_eq!(difference, "4: no line of the output contains the words of `reads took`");
}

fn with_any_order_the_order_can_differ() {
    assert!(is_same("any order", "a\nb", "b\na"));
    assert_eq!(difference("any order", "a\nb", "b\nb"), "4: the output does not contain `a`");
    assert!(!is_same("", "a\nb", "b\na"));
}

fn the_first_difference_is_reported() {
    for (shown, actual, expected) in [
        ("a\nb", "a\nc", "5: expected `c`, the page shows `b`"),
        ("", "a\nb", "3: expected 2 lines, the page shows none"),
        ("a\nb", "a", "5: expected no more lines, the page shows `b`"),
        ("a", "a\nb", "5: expected `b`, the page shows no more lines"),
    ] {
        assert_eq!(difference("", shown, actual), expected);
    }
}
