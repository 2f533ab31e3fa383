//! Finds references to the checks and tests that confirm a claim, such as (check `half-close`) or
//! (tests `a`, `b`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::common::pattern;
use crate::page::Page;
use crate::page_error::{PageError, did_you_mean};
use crate::repo::Repo;

/// The folders that contain tests.
const TESTS: [&str; 3] = ["crates", "benches/tests", "benches/src"];

/// A reference in parentheses, or the paragraph `*Tests:*` at the end of a clause of the contract.
static REFERENCE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\((?:checks?|tests?)\s+`[^)]*\)|\*Tests?:\*(?:.+\n)+"));
static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(checks?|tests?)\b|`([\w:-]+)`"));
static CHECK: LazyLock<Regex> = LazyLock::new(|| pattern(r#"\bid: "([a-z0-9-]+)""#));
static FUNCTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bfn (\w+)"));
/// The name of a test. The test has the attribute `#[test]`, or is in a list of tests for
/// `libtest-mimic`.
static TEST: LazyLock<Regex> = LazyLock::new(|| {
    let by_attribute = r"#\[test\]\s*(?:#\[[^\]]*\]\s*)*fn (\w+)";
    let by_name =
        r#"\(\s*"(\w+)",\s*\w+,?\s*\)|trial\(\s*(?:\w+,\s*)?"(\w+)"|Trial::test\(\s*"([\w:]+)""#;
    pattern(&format!("{by_attribute}|{by_name}"))
});

/// The name of a check or a test in the text of a page.
#[derive(Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The position of the name, including its backticks.
    pub range: Range<usize>,
    pub is_check: bool,
    pub name: &'a str,
}

/// Returns all references in the text of a page.
pub fn references(prose: &str) -> Vec<Reference<'_>> {
    let mut references = Vec::new();
    for reference in REFERENCE.find_iter(prose) {
        let mut is_check = false;
        for word in WORD.captures_iter(reference.as_str()) {
            match (word.get(1), word.get(2), word.get(0)) {
                (Some(kind), ..) => is_check = kind.as_str().starts_with("check"),
                (_, Some(name), Some(whole)) => {
                    let start = reference.start() + whole.start();
                    let range = start..start + whole.len();
                    references.push(Reference { range, is_check, name: name.as_str() });
                }
                _ => {}
            }
        }
    }
    references
}

/// The checks and tests of the repository. The names of tests do not include the names of modules
/// and siblings.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The path of the file that contains each check.
    checks: BTreeMap<String, String>,
    tests: BTreeSet<String>,
    /// The path of the file that contains each function.
    functions: BTreeMap<String, String>,
}

impl Known {
    pub fn of(repo: &Repo) -> Self {
        let mut known = Self::default();
        for file in repo.files_below("crates/conformance/src/checks", &[".rs"]) {
            let text = repo.read(&file).unwrap_or_default();
            let checks = CHECK.captures_iter(&text).map(|id| (id[1].to_owned(), file.clone()));
            known.checks.extend(checks);
        }
        let mut files: Vec<String> =
            TESTS.iter().flat_map(|folder| repo.files_below(folder, &[".rs"])).collect();
        // A test and a function often have the same name. Links lead to the first file that
        // contains the name, so the files of the tests come first.
        files.sort_by_key(|file| !file.contains("/tests/"));
        for file in files {
            let text = repo.read(&file).unwrap_or_default();
            for found in TEST.captures_iter(&text) {
                let name = found.iter().skip(1).flatten().next().map_or("", |name| name.as_str());
                known.tests.insert(name.rsplit("::").next().unwrap_or(name).to_owned());
            }
            for found in FUNCTION.captures_iter(&text) {
                known.functions.entry(found[1].to_owned()).or_insert_with(|| file.clone());
            }
        }
        known
    }

    /// Returns the path of the file that contains a check or a test, and the words that a browser
    /// searches for in this file. Returns `None` if the name is unknown.
    pub fn code(&self, reference: &Reference<'_>) -> Option<(&str, String)> {
        let name = last_part(reference.name);
        let check = || Some((self.checks.get(name)?, format!("id: \"{name}\"")));
        let function = || Some((self.functions.get(name)?, format!("fn {name}")));
        let (file, words) = check().or_else(function)?;
        Some((file, words))
    }

    /// Returns an error for each reference in a page to an unknown check or test.
    pub fn errors(&self, page: &Page) -> Vec<PageError> {
        let references = references(&page.prose);
        let errors = references.into_iter().filter_map(|Reference { range, is_check, name }| {
            let (kind, known, list): (_, Vec<&str>, _) = match is_check {
                true => ("check", self.checks.keys().map(String::as_str).collect(), "conformance"),
                false => ("test", self.tests.iter().map(String::as_str).collect(), "approaches"),
            };
            let last = if is_check { name } else { last_part(name) };
            if known.contains(&last) {
                return None;
            }
            let help = match (did_you_mean(last, known), is_check) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, true) => format!("run `cargo run -p {list} -- --list` to list the checks"),
                (None, false) => format!("run `cargo test -p {list} -- --list` to list the tests"),
            };
            let line = page.line_at(range.start);
            let what = format!("there is no {kind} `{name}`");
            Some(PageError::new(page.file.as_str(), line, what, help))
        });
        errors.collect()
    }
}

/// Returns a name without the names of modules at its start.
fn last_part(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_and_tests_of_the_repository_are_known() {
        let known = Known::of(&Repo::found());
        assert!(known.checks.len() >= 55, "{}", known.checks.len());
        for check in ["half-close", "memory-of-upload", "at-once"] {
            assert!(known.checks.contains_key(check), "{check}");
        }
        let tests = [
            "data_is_read_while_the_file_is_sent",
            "siblings_have_the_same_functions",
            "a_second_signal_exits_immediately",
            "shutdown_disconnects_clients_after_the_grace_period",
            "every_mutant_is_detected_by_a_check",
            "ratios_are_computed_round_by_round",
        ];
        for test in tests {
            assert!(known.tests.contains(test), "{test}");
        }
        assert!(!known.tests.contains("read_until"));
    }
}
