//! The results of all faults, as JSON and as a table in docs/FAULTS.md.

use std::fs;
use std::io;
use std::path::Path;

use approaches::ALL;
use serde_json::{Value, json};

use crate::fault::{Fault, Result, Stop};

/// The results at the last commit before the servers handled these faults.
const BEFORE: &str = include_str!("../before.json");

const BEGIN: &str = "<!-- `just faults --write` writes from here -->\n";
const END: &str = "<!-- to here -->\n";

/// Returns the result of one sibling as JSON, with the fields `verdict` and `measured`.
pub fn verdict(result: Result) -> Value {
    let (verdict, measured) = match result {
        Ok(measured) => ("pass", measured),
        Err(Stop::Fail(measured)) => ("fail", measured),
        Err(Stop::Skip(reason)) => ("skipped", reason),
    };
    json!({ "verdict": verdict, "measured": measured })
}

/// Writes the results to docs/FAULTS.md. Each fault has two rows: before and now.
pub fn write(faults: &[&Fault], results: &Value) -> io::Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/FAULTS.md");
    let text = fs::read_to_string(&page)?;
    let invalid = || io::Error::other("docs/FAULTS.md has no place for the table");
    let (head, rest) = text.split_once(BEGIN).ok_or_else(invalid)?;
    let (_, tail) = rest.split_once(END).ok_or_else(invalid)?;
    let before = serde_json::from_str(BEFORE)?;
    fs::write(page, [head, BEGIN, &table(faults, &before, results), END, tail].concat())
}

fn table(faults: &[&Fault], before: &Value, now: &Value) -> String {
    let names = ALL.map(|approach| approach.name);
    let mut table = format!("| fault | | {} |\n", names.join(" | "));
    table.push_str(&format!("| --- | --- |{}\n", " --- |".repeat(names.len())));
    for fault in faults {
        let title = format!("`{}`: {}", fault.id, fault.title);
        for (first, when, results) in [(&*title, "before", before), ("", "now", now)] {
            let cells = names.map(|name| cell(&results[fault.id][name]));
            table.push_str(&format!("| {first} | {when} | {} |\n", cells.join(" | ")));
        }
    }
    table
}

fn cell(result: &Value) -> String {
    match (result["verdict"].as_str(), result["measured"].as_str()) {
        (Some("pass"), Some(measured)) => measured.replace('|', "\\|"),
        (Some(verdict), Some(measured)) => {
            format!("**{verdict}**: {}", measured.replace('|', "\\|"))
        }
        _ => "–".to_owned(),
    }
}
