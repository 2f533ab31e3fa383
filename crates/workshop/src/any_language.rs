//! Tests that the texts for servers in any language contain no term of Rust.

use crate::course::Course;
use crate::grade::{GENERAL_FAILURES, START_FAILURES};

/// Words that only Rust programmers know, or that refer to the learner's Rust program.
const RUST_WORDS: &[&str] = &[
    "Arc",
    "Box",
    "BufReader",
    "BufWriter",
    "Cargo",
    "Drop",
    "Err",
    "JoinHandle",
    "Mutex",
    "Option",
    "Rust",
    "RwLock",
    "String",
    "TcpListener",
    "TcpStream",
    "Tokio",
    "Vec",
    "WouldBlock",
    "async_std",
    "cargo",
    "clone",
    "crate",
    "crates",
    "drop",
    "dropped",
    "drops",
    "enum",
    "guard",
    "guards",
    "impl",
    "lifetime",
    "main",
    "mio",
    "panic",
    "panicked",
    "panics",
    "read_exact",
    "rustix",
    "set_read_timeout",
    "smol",
    "spawn",
    "std",
    "tokio",
    "trait",
    "try_clone",
    "unwrap",
    "write_all",
];

/// Punctuation of Rust, and references to the learner's program in Rust.
const RUST_PHRASES: &[&str] =
    &["::", "!`", "!(", "`?`", "`expect`", "if let", "while let", "your file"];

/// Returns the first term of Rust in a text.
fn rust_term(text: &str) -> Option<&str> {
    let is_separator = |c: char| !(c.is_alphanumeric() || c == '_');
    let word = text.split(is_separator).find(|word| RUST_WORDS.contains(word));
    word.or_else(|| RUST_PHRASES.iter().copied().find(|phrase| text.contains(phrase)))
}

#[test]
fn texts_for_any_language_contain_no_rust() {
    let course = Course::open(None).unwrap();
    let mut texts = Vec::new();
    for (words, text) in START_FAILURES.iter().chain(GENERAL_FAILURES) {
        texts.push((format!("the explanation of `{words}`"), (*text).to_owned()));
    }
    for exercise in course.exercises.iter().filter(|one| one.plan.rust_only.is_none()) {
        let mut add = |name: &str, text: &str| {
            texts.push((format!("exercise {}, `{name}`", exercise.number), text.to_owned()));
        };
        for check in &exercise.checks {
            for text in [check.title, check.stimulus, check.expected, check.hint] {
                add(check.id, text);
            }
        }
        for diagnosis in &exercise.plan.diagnoses {
            add(&diagnosis.id, &diagnosis.explanation);
        }
        for measure in &exercise.plan.measures {
            add(measure.name(), &measure.title());
            add(measure.name(), &measure.explanation);
        }
    }
    let found = texts.iter().filter_map(|(name, text)| Some((name, rust_term(text)?, text)));
    let found: Vec<_> = found.collect();
    assert!(found.is_empty(), "expected no term of Rust, got {found:#?}");
}

#[test]
fn terms_of_rust_are_found() {
    for text in
        ["The call of unwrap fails.", "Use `std::io::copy`.", "A `?` ends it.", "Open your file."]
    {
        assert!(rust_term(text).is_some(), "expected a term of Rust in `{text}`");
    }
    assert_eq!(rust_term("The server closes the file."), None);
}
