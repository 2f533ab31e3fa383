//! References in prose to what backs a claim: (check `half-close`), (tests `a`, `b`).

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use crate::fault::{Fault, did_you_mean};
use crate::page::Page;
use crate::repo::Repo;

/// Where tests are.
const TESTS: [&str; 3] = ["crates", "benches/tests", "benches/src"];

static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\((?:checks?|tests?)\s+`[^)]*\)").expect("the expression is well-formed")
});
static WORD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(checks?|tests?)\b|`([^`]+)`").expect("the expression is well-formed")
});
static CHECK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"\bid: "([a-z0-9-]+)""#).expect("it is well-formed"));
/// Tests by their attribute, and those that a harness of our own has by name.
static TEST: LazyLock<Regex> = LazyLock::new(|| {
    let by_attribute = r"#\[test\]\s*(?:#\[[^\]]*\]\s*)*fn (\w+)";
    let by_name =
        r#"\(\s*"(\w+)",\s*\w+,?\s*\)|trial\(\s*(?:\w+,\s*)?"(\w+)"|Trial::test\(\s*"([\w:]+)""#;
    Regex::new(&format!("{by_attribute}|{by_name}")).expect("the expression is well-formed")
});

/// What can be referred to.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The conformance checks' ids.
    pub checks: BTreeSet<String>,
    /// The tests' names, without the modules and siblings before them.
    pub tests: BTreeSet<String>,
}

impl Known {
    /// What this repository has.
    #[must_use]
    pub fn of(repo: &Repo) -> Self {
        let mut known = Self::default();
        for file in repo.files_below("crates/conformance/src/checks", &[".rs"]) {
            let text = repo.read(&file).unwrap_or_default();
            known.checks.extend(CHECK.captures_iter(&text).map(|id| id[1].to_owned()));
        }
        for file in TESTS.iter().flat_map(|folder| repo.files_below(folder, &[".rs"])) {
            let is_test = file.contains("/tests/") || file.contains("/src/");
            let text = if is_test { repo.read(&file).unwrap_or_default() } else { String::new() };
            for found in TEST.captures_iter(&text) {
                let name = found.iter().skip(1).flatten().next().map_or("", |name| name.as_str());
                known.tests.insert(name.rsplit("::").next().unwrap_or(name).to_owned());
            }
        }
        known
    }

    /// What a page refers to that is not there.
    #[must_use]
    pub fn faults(&self, page: &Page) -> Vec<Fault> {
        let mut faults = Vec::new();
        for reference in REFERENCE.find_iter(&page.prose) {
            let mut is_check = true;
            for word in WORD.captures_iter(reference.as_str()) {
                if let Some(kind) = word.get(1) {
                    is_check = kind.as_str().starts_with("check");
                }
                let Some(id) = word.get(2) else { continue };
                let line = page.line_at(reference.start() + id.start());
                if let Some((what, help)) = self.missing(is_check, id.as_str()) {
                    faults.push(Fault::new(page.file.as_str(), line, what, help));
                }
            }
        }
        faults
    }

    fn missing(&self, is_check: bool, id: &str) -> Option<(String, String)> {
        let (kind, known, list) = match is_check {
            true => ("check", &self.checks, "`cargo run -p conformance -- --list`"),
            false => ("test", &self.tests, "`cargo test -p approaches -- --list`"),
        };
        let name = if is_check { id } else { id.rsplit("::").next().unwrap_or(id) };
        if known.contains(name) {
            return None;
        }
        let help = match did_you_mean(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("name one of {list}"),
        };
        Some((format!("there is no {kind} `{id}`"), help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kit_has_is_known() {
        let known = Known::of(&Repo::found());
        assert!(known.checks.len() >= 55, "{}", known.checks.len());
        for check in ["half-close", "memory-of-upload", "at-once"] {
            assert!(known.checks.contains(check), "{check}");
        }
        let tests = [
            "data_is_read_while_the_file_is_sent",
            "siblings_have_the_same_functions",
            "a_second_signal_exits_immediately",
            "shutdown_disconnects_clients_after_the_grace_period",
            "a_check_detects_every_mutant",
            "ratios_are_computed_round_by_round",
        ];
        for test in tests {
            assert!(known.tests.contains(test), "{test}");
        }
        assert!(!known.tests.contains("read_until"));
    }

    #[test]
    fn what_is_missing_is_told_at_its_line() {
        let known = Known {
            checks: ["half-close".to_owned()].into(),
            tests: ["data_is_read_while_the_file_is_sent".to_owned()].into(),
        };
        let text = "It holds (check `half-close`), always (tests\n`tokio::data_is_read_while_the_file_is_sent`,\n\
                    `data_is_read_while_the_file_is_send`), so (check `no`; test `half-close`). (check it)\n";
        let faults = known.faults(&Page::new("a.md", text));
        let actual: Vec<(usize, &str)> =
            faults.iter().map(|fault| (fault.line, fault.what.as_str())).collect();
        assert_eq!(
            actual,
            [
                (3, "there is no test `data_is_read_while_the_file_is_send`"),
                (3, "there is no check `no`"),
                (3, "there is no test `half-close`"),
            ]
        );
        assert_eq!(faults[0].help, "did you mean `data_is_read_while_the_file_is_sent`?");
    }
}
