//! What is kept of a race: raw figures for programs, tables for people.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::bars::Bar;
use crate::stats::Sample;
use benches::machine::Machine;
use benches::table::Table;

/// A race that is over.
#[derive(Debug, Serialize)]
pub struct Record {
    /// When it began, UTC.
    pub date: String,
    pub options: Options,
    pub machine: Machine,
    pub absent: Vec<Absent>,
    pub failures: Vec<String>,
    pub bars: Vec<Bar>,
    pub samples: Vec<Sample>,
    #[serde(skip)]
    pub tables: Vec<Table>,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Options {
    pub rounds: usize,
    pub measures: Vec<&'static str>,
    pub servers: Vec<String>,
    pub large_bytes: u64,
    pub river_clients: u64,
    pub held_clients: u64,
    pub job_time_s: f64,
}

/// One that could not take part.
#[derive(Clone, Debug, Serialize)]
pub struct Absent {
    pub server: String,
    pub why: String,
}

impl Record {
    /// All tables, in columns.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for table in &self.tables {
            out.push_str(&table.to_string());
            out.push('\n');
        }
        for Absent { server, why } in &self.absent {
            out.push_str(&format!("absent: {server}: {why}\n"));
        }
        for failure in &self.failures {
            out.push_str(&format!("failed: {failure}\n"));
        }
        out
    }

    fn to_markdown(&self) -> String {
        let mut out = format!("# Peers, {}\n\n", self.date.split('T').next().unwrap_or_default());
        let rounds = self.options.rounds;
        out.push_str(&format!(
            "Medians of {rounds} rounds; ratios are taken round by round, then their median (with the \
             smallest and the largest). All servers ran in turns, on this machine, over loopback; the \
             client discards what it gets. A CPU-second is one of the server's. docs/METHODOLOGY.md \
             tells how, peers.json has every figure.\n\n| | |\n| --- | --- |\n"
        ));
        for (fact, value) in self.machine.facts() {
            out.push_str(&format!("| {fact} | {value} |\n"));
        }
        for table in &self.tables {
            out.push_str(&format!("\n{}", table.to_markdown()));
        }
        let lists = [
            self.absent.iter().map(|absent| format!("{}: {}", absent.server, absent.why)).collect(),
            self.failures.clone(),
        ];
        for (title, list) in ["Absent", "Failed"].into_iter().zip::<[Vec<String>; 2]>(lists) {
            if !list.is_empty() {
                out.push_str(&format!("\n### {title}\n\n- {}\n", list.join("\n- ")));
            }
        }
        out
    }

    /// Writes `peers.json` and `peers.md` into a folder.
    pub fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let json = serde_json::to_string_pretty(self)?;
        fs::write(folder.join("peers.json"), json + "\n")?;
        let path = folder.join("peers.md");
        fs::write(&path, self.to_markdown())?;
        Ok(path)
    }
}
