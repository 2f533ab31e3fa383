//! Generates the page that contains all results.

use harness::record::{Measurement, Record, Run};
use harness::table::Table;

use crate::records::day;
use crate::{footprint, race};

use super::charts::Section;
use super::svg::STYLE;
use super::{escaped, time_text};

const PAGE_STYLE: &str = include_str!("page.css");

type Tables = fn(&Run) -> Vec<Table>;

/// The programs. Each entry contains the name of a program, the recipe that runs the program, and
/// the function that creates its tables.
const PROGRAMS: [(&str, &str, Tables); 3] = [
    ("suites", "bench", suites_tables),
    ("footprint", "footprint", footprint::tables),
    ("race", "peers", race::tables),
];

/// Returns the page as HTML. The page does not load files from the network.
pub(super) fn page(record: &Record, sections: &[Section]) -> String {
    let mut body = String::new();
    for Section { title, text, charts, .. } in sections {
        let charts: Vec<String> = charts.iter().map(|chart| chart.inline()).collect();
        let charts = charts.join("\n");
        body += &format!("<h2>{title}</h2>\n{text}\n<div class=\"panels\">\n{charts}\n</div>\n");
    }
    let mut tables = String::new();
    for (program, _, of) in PROGRAMS {
        let Some(run) = record.run(program) else { continue };
        let content: String = of(run).iter().map(html).collect();
        let summary = format!("<summary>All values of the {program}</summary>");
        tables += &format!("<details>{summary}\n{content}</details>\n");
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>The cost of each approach</title>\n<link rel=\"icon\" href=\"data:,\">\n\
         <style>{STYLE}{PAGE_STYLE}</style>\n</head>\n<body>\n<h1>The cost of each approach</h1>\n\
         <p>This page compares implementations of one file server with several approaches. \
         Compare values only within this page, because they depend on the machine.</p>\n\
         {}<main>\n{body}</main>\n{tables}</body>\n</html>\n",
        facts(record)
    )
}

/// Returns the introduction of the page. It contains the dates of the runs, a description of the
/// machine, the problems, and the names of the programs whose results are missing.
fn facts(record: &Record) -> String {
    let mut facts = Vec::new();
    for (program, ..) in PROGRAMS {
        if let Some(run) = record.run(program) {
            facts.push(format!("{program} {}, commit {}", day(&run.date), run.machine.commit));
        }
    }
    let machine = record.runs.first().map(|run| run.machine.facts());
    // Only the first four facts describe the machine. The other facts differ between the runs of
    // the programs.
    facts.extend(machine.into_iter().flatten().take(4).map(|(_, fact)| fact));
    let facts = facts.iter().map(|fact| escaped(fact)).collect::<Vec<_>>().join(" · ");
    let missing = PROGRAMS.iter().filter(|(program, ..)| record.run(program).is_none());
    let problems = record.runs.iter().flat_map(|run| &run.problems);
    let problems = problems.map(|problem| format!("Problem: {}.", escaped(problem)));
    let missing = missing
        .map(|(name, recipe, _)| format!("Run <code>just {recipe}</code> to add the {name}."));
    let lines = [facts].into_iter().chain(missing).chain(problems);
    lines.map(|line| format!("<p class=\"facts\">{line}</p>\n")).collect()
}

fn suites_tables(run: &Run) -> Vec<Table> {
    let title = "Time per iteration, with the 95% confidence interval";
    let mut table = Table::new(title, ["benchmark", "median", "lower bound", "upper bound"]);
    let row = |measurement: &Measurement| {
        let [from, to] = measurement.interval?;
        let times = [measurement.spread()?.median, from, to].map(time_text);
        Some([measurement.id.clone()].into_iter().chain(times).collect())
    };
    table.rows.extend(run.measurements.iter().filter_map(row));
    vec![table]
}

fn html(table: &Table) -> String {
    let row = |cells: &[String], start: &str, end: &str| {
        let cells = cells.iter().map(|cell| format!("{start}{}{end}", escaped(cell)));
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let head = row(&table.headers, "<th scope=\"col\">", "</th>");
    let rows: String = table.rows.iter().map(|cells| row(cells, "<td>", "</td>")).collect();
    let title = escaped(&table.title);
    format!(
        "<div class=\"wide\"><table><caption>{title}</caption>\n<thead>{head}</thead>\n\
         <tbody>\n{rows}</tbody></table></div>\n"
    )
}
