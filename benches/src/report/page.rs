//! The page.

use std::fmt::Write;

use super::chart::STYLE;
use super::escaped;
use super::figures::Section;
use crate::footprint::Footprint;
use crate::machine::Machine;
use crate::records::{Results, Suites};

const PAGE_STYLE: &str = "\
body{margin:0 auto;padding:16px;max-width:1340px;background:var(--paper);color:var(--ink);\
font:16px/1.5 system-ui,sans-serif}\
h1{font-size:1.6rem;line-height:1.2;margin:.6em 0 .2em}h2{font-size:1.2rem;margin:2em 0 .2em}\
p,ul{max-width:46rem;margin:.5em 0}ul{padding-left:1.2em}li{margin:.4em 0}\
.facts{color:var(--soft);font-size:.9rem}code{font-size:.9em}\
.panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:20px}\
.panels svg{width:100%;max-width:480px;height:auto;display:block}\
summary{cursor:pointer;margin:.8em 0}.wide{overflow-x:auto}\
table{border-collapse:collapse;font-size:.85rem;margin:.6em 0 1.4em;font-variant-numeric:tabular-nums}\
caption{text-align:left;font-weight:600;padding:.3em 0}\
th,td{padding:.2em .7em;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap}\
th:first-child,td:first-child{text-align:left;padding-left:0}th{color:var(--soft);font-weight:500}";

/// The whole page: nothing in it asks another host for anything.
pub(super) fn page(results: &Results, sections: &[Section]) -> String {
    let mut body = String::new();
    for section in sections {
        put(&mut body, format_args!("<h2>{}</h2>\n{}\n", section.title, section.text));
        body.push_str("<div class=\"panels\">\n");
        for drawing in &section.drawings {
            put(&mut body, format_args!("{}\n", drawing.inline()));
        }
        body.push_str("</div>\n");
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>What each approach costs</title>\n<link rel=\"icon\" href=\"data:,\">\n\
         <style>{STYLE}{PAGE_STYLE}</style>\n</head>\n<body>\n<h1>What each approach costs</h1>\n\
         <p>One file server, written several ways. Ratios within this page mean something; absolute \
         figures belong to the machine below.</p>\n{}\n{}<main>\n{body}</main>\n{}{}\n</body>\n</html>\n",
        facts(results),
        missing(results),
        results.footprint.as_ref().map(footprint_tables).unwrap_or_default(),
        results.suites.as_ref().map(suites_table).unwrap_or_default(),
    )
}

/// When, and on what.
fn facts(results: &Results) -> String {
    let mut lines = Vec::new();
    let mut add = |what: &str, date: &str, machine: &Machine| {
        let day = date.get(..10).unwrap_or(date);
        let commit = &machine.commit;
        lines.push(format!("{what} {day}, commit {}", escaped(commit)));
    };
    if let Some(Suites { date, machine, .. }) = &results.suites {
        add("suites", date, machine);
    }
    if let Some(Footprint { date, machine, .. }) = &results.footprint {
        add("footprint", date, machine);
    }
    let date = results.peers.as_ref().and_then(|peers| peers["date"].as_str()?.get(..10));
    lines.extend(date.map(|date| format!("race {}", escaped(date))));
    let machine = results.suites.as_ref().map(|suites| &suites.machine);
    let machine = machine.or(results.footprint.as_ref().map(|footprint| &footprint.machine));
    if let Some(machine) = machine {
        for (fact, value) in machine.facts() {
            if matches!(fact, "machine" | "memory" | "kernel" | "built with") {
                lines.push(escaped(&value));
            }
        }
    }
    format!("<p class=\"facts\">{}</p>", lines.join(" · "))
}

/// What could be here, and how to get it.
fn missing(results: &Results) -> String {
    let mut words = Vec::new();
    if results.suites.is_none() {
        words.push("<code>just bench</code> adds the suites.".to_owned());
    }
    match &results.footprint {
        None => words.push("<code>just footprint</code> adds what each process costs.".to_owned()),
        Some(footprint) => {
            if let Some(why) = &footprint.untraced {
                words.push(format!("No system calls were counted: {}.", escaped(why)));
            }
            let absent = footprint.absent.iter();
            words.extend(absent.map(|absent| {
                format!("Not measured: {}: {}.", escaped(&absent.server), escaped(&absent.why))
            }));
        }
    }
    words.iter().map(|words| format!("<p class=\"facts\">{words}</p>\n")).collect()
}

fn footprint_tables(footprint: &Footprint) -> String {
    let tables = footprint.tables();
    let mut out = "<details><summary>The footprint in figures</summary>\n".to_owned();
    for table in tables {
        put(&mut out, format_args!("{}", html(&table.title, &table.headers, &table.rows)));
    }
    out + "</details>\n"
}

fn suites_table(suites: &Suites) -> String {
    let rows: Vec<Vec<String>> = suites
        .benches
        .iter()
        .map(|bench| {
            let time = bench.median_ns;
            let text = |ns: f64| time_text(ns);
            vec![bench.id.clone(), text(time.point), text(time.low), text(time.high)]
        })
        .collect();
    let headers = ["bench", "median", "from", "to"].map(str::to_owned);
    let table = html("How long one iteration took, with its 95 % interval", &headers, &rows);
    format!("<details><summary>The suites in figures</summary>\n{table}</details>")
}

/// Nanoseconds as people say them.
pub(super) fn time_text(ns: f64) -> String {
    match ns {
        1e9.. => format!("{:.2} s", ns / 1e9),
        1e6.. => format!("{:.2} ms", ns / 1e6),
        1e3.. => format!("{:.1} µs", ns / 1e3),
        _ => format!("{ns:.0} ns"),
    }
}

fn html(title: &str, headers: &[String], rows: &[Vec<String>]) -> String {
    let cells = |tag: &str, cells: &[String]| -> String {
        cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect()
    };
    let head = cells("th scope=\"col\"", headers).replace("</th scope=\"col\">", "</th>");
    let rows: String = rows.iter().map(|row| format!("<tr>{}</tr>\n", cells("td", row))).collect();
    format!(
        "<div class=\"wide\"><table><caption>{}</caption>\n<thead><tr>{head}</tr></thead>\n\
         <tbody>\n{rows}</tbody></table></div>\n",
        escaped(title)
    )
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String takes all");
}
