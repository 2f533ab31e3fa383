//! Tables for people.

use super::legacy::{Footprint, Held, Job};
use crate::suite::CHUNK_SIZES;
use crate::table::Table;

/// What is said where nothing was measured.
const NOTHING: &str = "–";

/// A figure of a job.
type Figure = fn(&Job) -> Option<f64>;

impl Footprint {
    /// All that was found: servers down, chunk sizes across.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        let megabytes = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
        let of_jobs: [(&str, Figure); 8] = [
            ("MB a second, as the client saw it", |job| Some(job.bytes_per_s() / 1e6)),
            ("CPU-seconds of the server for a GiB", |job| Some(job.cpu_s_per_gib())),
            ("System calls for a MiB, those in vain included", Job::calls_per_mib),
            ("Reads for each chunk", |job| Some(job.reads()? as f64 / job.chunks() as f64)),
            ("Writes for each chunk", |job| Some(job.writes()? as f64 / job.chunks() as f64)),
            ("Context switches for a MiB", |job| Some(job.switches_per_mib())),
            ("Threads", |job| Some(job.threads as f64)),
            ("Peak memory in MiB", |job| Some(job.peak_memory_bytes as f64 / 1_048_576.0)),
        ];
        let jobs = of_jobs.map(|(title, figure)| self.by_chunk_size(title, figure));
        let mut clients: Vec<u64> = self.held.iter().map(|held| held.clients).collect();
        clients.sort_unstable();
        clients.dedup();
        let held = Table {
            title: "Memory in MiB, by clients who are answered and read nothing".to_owned(),
            headers: headers(clients.iter().map(u64::to_string)),
            rows: rows(self.held.iter().map(|held| held.server.as_str()), |server| {
                let cell = |&clients: &u64| {
                    let is_it = |held: &&Held| held.server == server && held.clients == clients;
                    self.held.iter().find(is_it).map(|held| megabytes(held.memory_bytes))
                };
                clients.iter().map(cell).collect()
            }),
        };
        jobs.into_iter().chain([held]).filter(Table::has_figures).collect()
    }

    fn by_chunk_size(&self, title: &str, figure: Figure) -> Table {
        let sizes = CHUNK_SIZES.into_iter();
        let sizes: Vec<_> = sizes
            .filter(|size| self.jobs.iter().any(|job| job.chunk_bytes == size.1 as u64))
            .collect();
        Table {
            title: title.to_owned(),
            headers: headers(sizes.iter().map(|size| size.0.to_owned())),
            rows: rows(self.jobs.iter().map(|job| job.server.as_str()), |server| {
                let cell = |size: &(&str, usize)| {
                    let is_it =
                        |job: &&Job| job.server == server && job.chunk_bytes == size.1 as u64;
                    self.jobs.iter().find(is_it).and_then(figure)
                };
                sizes.iter().map(cell).collect()
            }),
        }
    }
}

impl Table {
    fn has_figures(&self) -> bool {
        self.rows.iter().any(|row| row[1..].iter().any(|cell| cell != NOTHING))
    }
}

fn headers(names: impl Iterator<Item = String>) -> Vec<String> {
    ["server".to_owned()].into_iter().chain(names).collect()
}

/// One row a server, in the order in which they come.
fn rows<'a>(
    servers: impl Iterator<Item = &'a str>,
    figures: impl Fn(&str) -> Vec<Option<f64>>,
) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for server in servers {
        if rows.iter().all(|row| row[0] != server) {
            let mut row = vec![server.to_owned()];
            row.extend(
                figures(server)
                    .into_iter()
                    .map(|figure| figure.map_or_else(|| NOTHING.to_owned(), shown)),
            );
            rows.push(row);
        }
    }
    rows
}

/// Three digits that say something, thousands apart.
pub(crate) fn shown(figure: f64) -> String {
    match figure.abs() {
        0.0 => "0".to_owned(),
        ..0.001 => format!("{figure:.5}"),
        ..0.1 => format!("{figure:.3}"),
        ..10.0 => format!("{figure:.2}"),
        ..100.0 => format!("{figure:.1}"),
        _ => crate::units::grouped(figure.round() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_shown_with_what_says_something() {
        let figures = [0.0, 0.0123, 1.0, 12.34, 123.4, 1_234_567.0];
        let shown: Vec<String> = figures.into_iter().map(shown).collect();
        assert_eq!(shown, ["0", "0.012", "1.00", "12.3", "123", "1,234,567"]);
    }

    #[test]
    fn servers_are_down_and_clients_across() {
        let held = |server: &str, clients, mib: u64| Held {
            server: server.to_owned(),
            clients,
            memory_bytes: mib * 1024 * 1024,
            threads: 1,
        };
        let held = vec![held("tokio", 1, 5), held("tokio", 16, 20), held("node", 1, 60)];
        let tables = Footprint { held, ..Footprint::default() }.tables();
        assert_eq!(tables.len(), 1);
        let text = tables[0].to_string();
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines, ["server     1    16", "tokio   5.00  20.0", "node    60.0     –"]);
    }
}
