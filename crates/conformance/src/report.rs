//! The verdicts, for people and for programs.

use std::fmt::Write;

use console::style;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde_json::json;

use crate::check::{Check, Verdict};
use crate::runner::Record;
use crate::target::Target;
use crate::text::wrapped;

/// How verdicts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table, and details of each failure.
    Text,
    /// One JSON document.
    Json,
    /// JUnit's XML, which most CI systems read.
    Junit,
}

/// The whole report.
///
/// # Errors
///
/// When a verdict holds characters that XML cannot.
pub fn print(format: Format, targets: &[Target], records: &[Record]) -> Result<String, String> {
    match format {
        Format::Text => Ok(text(targets, records)),
        Format::Json => Ok(json(targets, records)),
        Format::Junit => junit(targets, records),
    }
}

fn text(targets: &[Target], records: &[Record]) -> String {
    let mut out = table(targets, records);
    for record in records {
        if let Verdict::Fail(actual) = &record.verdict {
            out.push_str(&failure(&targets[record.target], record.check, actual));
        }
    }
    let mut reasons: Vec<&str> = Vec::new();
    for record in records {
        if let Verdict::NotApplicable(why) = &record.verdict {
            if !reasons.contains(&why.as_str()) {
                reasons.push(why);
            }
        }
    }
    if !reasons.is_empty() {
        push_line(&mut out, &format!("\nnot applicable: {}", reasons.join("; ")));
    }
    push_line(&mut out, &format!("\n{}", summary(records)));
    out
}

/// Checks down, servers across.
fn table(targets: &[Target], records: &[Record]) -> String {
    let mut checks: Vec<&Check> = Vec::new();
    for record in records {
        if !checks.iter().any(|check| check.id == record.check.id) {
            checks.push(record.check);
        }
    }
    let id_width = checks.iter().map(|check| check.id.len()).max().unwrap_or(0).max(5);
    let widths: Vec<usize> = targets.iter().map(|target| target.name.len().max(6)).collect();
    let mut out = format!("clause  {:id_width$}", "check");
    for (target, width) in targets.iter().zip(&widths) {
        write!(out, "  {:width$}", target.name).expect("a String takes all");
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    for check in checks {
        write!(out, "{:6}  {:id_width$}", check.clause, check.id).expect("a String takes all");
        for (index, width) in widths.iter().enumerate() {
            let is_it = |record: &&Record| record.target == index && record.check.id == check.id;
            let word = match records.iter().find(is_it).map(|record| &record.verdict) {
                Some(Verdict::Pass) => style(format!("{:width$}", "pass")).green(),
                Some(Verdict::Fail(_)) => style(format!("{:width$}", "FAIL")).red().bold(),
                Some(Verdict::NotApplicable(_)) | None => style(format!("{:width$}", "n/a")).dim(),
            };
            write!(out, "  {word}").expect("a String takes all");
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}

/// Returns the details of one failure.
fn failure(target: &Target, check: &Check, actual: &str) -> String {
    let title = format!("{} ({}, clause {}): {}", check.id, target.name, check.clause, check.title);
    let mut out = String::new();
    for line in wrapped(&title, 80) {
        write!(out, "\n{}", style(line).red().bold()).expect("a String takes all");
    }
    out.push('\n');
    let again = format!("cargo run -p conformance -- --only {} {}", check.id, target.spelled);
    for (label, text) in [
        ("stimulus", check.stimulus),
        ("expected", check.expected),
        ("actual", actual),
        ("hint", check.hint),
        ("again", &again),
    ] {
        // Commands are not wrapped: they are to be copied.
        let lines = if label == "again" { vec![text.to_owned()] } else { wrapped(text, 68) };
        for (index, line) in lines.iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            push_line(&mut out, &format!("  {label:9} {line}"));
        }
    }
    out
}

fn push_line(out: &mut String, line: &str) {
    out.push_str(line.trim_end());
    out.push('\n');
}

fn summary(records: &[Record]) -> String {
    let count = |is_it: fn(&Verdict) -> bool| {
        records.iter().filter(|record| is_it(&record.verdict)).count()
    };
    let passed = count(|verdict| *verdict == Verdict::Pass);
    let failed = count(|verdict| matches!(verdict, Verdict::Fail(_)));
    let not_applicable = count(|verdict| matches!(verdict, Verdict::NotApplicable(_)));
    format!("{passed} passed, {failed} failed, {not_applicable} not applicable")
}

fn json(targets: &[Target], records: &[Record]) -> String {
    let verdicts: Vec<_> = records
        .iter()
        .map(|record| {
            let (verdict, detail) = match &record.verdict {
                // These values are part of the JSON format, so they keep their names.
                Verdict::Pass => ("held", None),
                Verdict::Fail(actual) => ("fell", Some(actual)),
                Verdict::NotApplicable(why) => ("not_applicable", Some(why)),
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
        })
        .collect();
    format!("{:#}\n", json!({ "checks": verdicts }))
}

fn junit(targets: &[Target], records: &[Record]) -> Result<String, String> {
    let mut report = quick_junit::Report::new("conformance");
    for (index, target) in targets.iter().enumerate() {
        let mut suite = TestSuite::new(target.name.clone());
        for record in records.iter().filter(|record| record.target == index) {
            let mut status = match &record.verdict {
                Verdict::Pass => TestCaseStatus::success(),
                Verdict::Fail(_) => TestCaseStatus::non_success(NonSuccessKind::Failure),
                Verdict::NotApplicable(_) => TestCaseStatus::skipped(),
            };
            if let Verdict::Fail(detail) | Verdict::NotApplicable(detail) = &record.verdict {
                status.set_message(detail.clone());
            }
            if let Verdict::Fail(actual) = &record.verdict {
                status.set_description(failure(target, record.check, actual));
            }
            let mut case = TestCase::new(record.check.id, status);
            case.set_classname(format!("clause {}", record.check.clause));
            case.set_time(record.took);
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    report.to_string().map_err(|error| error.to_string())
}
