//! The report of all verdicts, for people and for programs.

use std::fmt::Write;

use console::{StyledObject, style};
use harness::text::wrapped;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde_json::json;

use crate::check::Check;
use crate::runner::Record;
use crate::target::Target;
use crate::verdict::Verdict;

/// The format of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A table, and details of each failure
    Text,
    /// One JSON document
    Json,
    /// JUnit XML, which most CI systems read
    Junit,
}

/// Returns the report as text in the given format.
///
/// # Errors
///
/// Fails if a verdict contains characters that XML does not allow.
pub fn render(
    format: Format,
    targets: &[Target],
    records: &[Record],
) -> Result<String, quick_junit::SerializeError> {
    match format {
        Format::Text => Ok(text(targets, records)),
        Format::Json => Ok(json(targets, records)),
        Format::Junit => junit(targets, records),
    }
}

fn text(targets: &[Target], records: &[Record]) -> String {
    let mut out = table(targets, records);
    let mut reasons: Vec<&str> = Vec::new();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for record in records {
        match &record.verdict {
            Verdict::Pass => passed += 1,
            Verdict::Fail(actual) => {
                failed += 1;
                out.push_str(&details(&targets[record.target], record.check, actual));
            }
            Verdict::Skipped(why) => {
                skipped += 1;
                if !reasons.contains(&why.as_str()) {
                    reasons.push(why);
                }
            }
        }
    }
    if !reasons.is_empty() {
        out.push_str(&format!("\nskipped: {}\n", reasons.join("; ")));
    }
    out.push_str(&format!("\n{passed} passed, {failed} failed, {skipped} skipped\n"));
    out
}

/// Returns a table with one row per check and one column per server.
fn table(targets: &[Target], records: &[Record]) -> String {
    let mut checks: Vec<&Check> = Vec::new();
    for record in records {
        if !checks.iter().any(|check| check.id == record.check.id) {
            checks.push(record.check);
        }
    }
    let id_width = checks.iter().map(|check| check.id.len()).max().unwrap_or(0).max(5);
    let mut out = format!("clause  {:id_width$}", "check");
    for target in targets {
        push(&mut out, format_args!("  {:7}", target.name));
    }
    end_line(&mut out);
    for check in checks {
        push(&mut out, format_args!("{:6}  {:id_width$}", check.clause, check.id));
        for (index, target) in targets.iter().enumerate() {
            let is_same = |it: &&Record| it.target == index && it.check.id == check.id;
            let verdict = records.iter().find(is_same).map(|record| &record.verdict);
            push(&mut out, format_args!("  {}", word(verdict, target.name.len().max(7))));
        }
        end_line(&mut out);
    }
    out
}

fn word(verdict: Option<&Verdict>, width: usize) -> StyledObject<String> {
    let word = |word| style(format!("{word:width$}"));
    match verdict {
        Some(Verdict::Pass) => word("pass").green(),
        Some(Verdict::Fail(_)) => word("FAIL").red().bold(),
        Some(Verdict::Skipped(_)) | None => word("skipped").dim(),
    }
}

/// Returns the details of a failure.
fn details(target: &Target, check: &Check, actual: &str) -> String {
    let title = format!("{} ({}, clause {}): {}", check.id, target.name, check.clause, check.title);
    let mut out = String::new();
    for line in wrapped(&title, 80) {
        push(&mut out, format_args!("\n{}", style(line).red().bold()));
    }
    out.push('\n');
    let rows = [
        ("stimulus", check.stimulus),
        ("expected", check.expected),
        ("actual", actual),
        ("hint", check.hint),
    ];
    for (label, text) in rows {
        for (index, line) in wrapped(text, 68).iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            push(&mut out, format_args!("  {label:9} {line}"));
            end_line(&mut out);
        }
    }
    // The command is not wrapped, so that users can copy it.
    let program = harness::invocation("conformance", "cargo run -p conformance --");
    let command = format!("{program} --only {} {}", check.id, target.arguments);
    push(&mut out, format_args!("  {:9} {command}\n", "rerun"));
    out
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a String cannot fail");
}

fn end_line(out: &mut String) {
    out.truncate(out.trim_end().len());
    out.push('\n');
}

fn json(targets: &[Target], records: &[Record]) -> String {
    let entry = |record: &Record| {
        let (verdict, detail) = match &record.verdict {
            Verdict::Pass => ("pass", None),
            Verdict::Fail(actual) => ("fail", Some(actual)),
            Verdict::Skipped(why) => ("skipped", Some(why)),
        };
        json!({
            "server": targets[record.target].name,
            "id": record.check.id,
            "title": record.check.title,
            "clause": record.check.clause,
            "stimulus": record.check.stimulus,
            "expected": record.check.expected,
            "verdict": verdict,
            "detail": detail,
            "hint": record.check.hint,
            "took_ms": u64::try_from(record.took.as_millis()).unwrap_or(u64::MAX),
        })
    };
    format!("{:#}\n", json!({ "checks": records.iter().map(entry).collect::<Vec<_>>() }))
}

fn junit(targets: &[Target], records: &[Record]) -> Result<String, quick_junit::SerializeError> {
    let mut report = quick_junit::Report::new("conformance");
    for (index, target) in targets.iter().enumerate() {
        let mut suite = TestSuite::new(target.name.clone());
        for record in records.iter().filter(|record| record.target == index) {
            let mut status = match &record.verdict {
                Verdict::Pass => TestCaseStatus::success(),
                Verdict::Fail(_) => TestCaseStatus::non_success(NonSuccessKind::Failure),
                Verdict::Skipped(_) => TestCaseStatus::skipped(),
            };
            if let Verdict::Fail(detail) | Verdict::Skipped(detail) = &record.verdict {
                status.set_message(detail.clone());
            }
            if let Verdict::Fail(actual) = &record.verdict {
                status.set_description(details(target, record.check, actual));
            }
            let mut case = TestCase::new(record.check.id, status);
            case.set_classname(format!("clause {}", record.check.clause));
            case.set_time(record.took);
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    report.to_string()
}
