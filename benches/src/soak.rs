//! The soak runs all siblings at the same time for a long time, with clients that behave in
//! different ways. It checks that every byte is correct, and that no server ends, panics or leaks.
//!
//! The ids of the values have the forms `SERVER/QUANTITY` and `SERVER/BEHAVIOR/QUANTITY`. The
//! quantities `memory_mib`, `descriptors` and `threads` are series: their samples were taken at a
//! fixed interval during the load. `SERVER/before/QUANTITY` was measured before the first client
//! connected, and `SERVER/after/QUANTITY` after the last client had disconnected.

mod behavior;
mod log;
#[cfg(target_os = "linux")]
mod run;

use harness::record::{Run, Spread};
use harness::table::Table;
use serde_json::Value;

use crate::records::{day, parts};

pub use behavior::{BEHAVIORS, Behavior, Outcome};
pub use log::Events;
#[cfg(target_os = "linux")]
pub use run::Soak;

/// The maximum growth of a server's memory, in MiB, from the time before the first client to the
/// time after the last client.
///
/// After the load, a server keeps buffers of its threads and memory that its allocator has not
/// returned to the system. In the recorded soak of one hour, this memory did not exceed 4 MiB. A
/// leak of 150 bytes per connection exceeds the limit within an hour.
pub const GROWTH_MIB_MAX: f64 = 8.0;

/// The resources of a server at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// The resident anonymous memory in MiB. It does not include the program, which the kernel
    /// shares among all servers.
    pub memory_mib: f64,
    /// The number of open file descriptors.
    pub descriptors: f64,
    /// The number of threads.
    pub threads: f64,
}

impl Usage {
    /// Returns the names and the values of the quantities.
    pub fn values(&self) -> [(&'static str, f64); 3] {
        [
            ("memory_mib", self.memory_mib),
            ("descriptors", self.descriptors),
            ("threads", self.threads),
        ]
    }

    /// Compares the resources after the load with the resources before the load. Returns a
    /// description of each resource that the server did not release.
    pub fn problems(&self, before: &Self) -> Vec<String> {
        let limits = [before.memory_mib + GROWTH_MIB_MAX, before.descriptors, before.threads];
        let names = ["MiB of memory", "file descriptors", "threads"];
        let values = self.values().into_iter().zip(limits).zip(names);
        let excess = values.filter(|(((_, value), limit), _)| value > limit);
        excess
            .map(|(((_, value), limit), name)| {
                format!("after the last client: expected at most {limit:.0} {name}, got {value:.0}")
            })
            .collect()
    }
}

/// Returns the tables of a soak. Each table has one row per server.
pub fn tables(run: &Run) -> Vec<Table> {
    let title = "soak: before, maximum and after the load";
    let headers = ["server", "memory in MiB", "descriptors", "threads", "CPU-s", "GB"];
    let mut usage = Table::new(title, headers);
    for server in servers(run) {
        let value = |id: &str| median(run, &format!("{server}/{id}"));
        let range = |quantity: &str, decimals: usize| {
            let max = spread(run, &format!("{server}/{quantity}"))?.max;
            let [before, after] = ["before", "after"].map(|it| value(&format!("{it}/{quantity}")));
            let (before, after) = (before?, after?);
            Some(format!("{before:.decimals$} / {max:.decimals$} / {after:.decimals$}"))
        };
        usage.push(
            server,
            [
                range("memory_mib", 1),
                range("descriptors", 0),
                range("threads", 0),
                value("cpu_s").map(|cpu_s| format!("{cpu_s:.0}")),
                value("gb").map(|gb| format!("{gb:.1}")),
            ],
        );
    }
    let headers = ["clients", "per server", "ended as expected", "ended otherwise"];
    let mut connections = Table::new("soak: connections to all servers", headers);
    for Behavior { name, clients, .. } in BEHAVIORS {
        let sum = |quantity: &str| {
            let of_server = |server: &&str| median(run, &format!("{server}/{name}/{quantity}"));
            Some(format!("{:.0}", servers(run).iter().filter_map(of_server).sum::<f64>()))
        };
        let cells = [Some(clients.to_string()), sum("expected"), sum("unexpected")];
        connections.push(name, cells);
    }
    vec![usage, connections]
}

/// Returns a page in Markdown that shows the results of a soak.
pub fn markdown(run: &Run) -> String {
    let option = |name: &str| run.options.get(name).unwrap_or(&Value::Null);
    let mut page = format!(
        "# Soak, {}\n\nAll servers ran at the same time for {} minutes, with {} clients per server. \
         [The methodology](../../../docs/METHODOLOGY.md#the-soak) explains the clients, the checks \
         and the limits. `summary.json` contains all values.\n\n| | |\n| --- | --- |\n",
        day(&run.date),
        option("minutes"),
        option("clients_per_server"),
    );
    let verdict = if run.problems.is_empty() { "passed" } else { "failed" };
    let cores = median(run, "cores").map(|cores| format!("{cores:.2} cores on average"));
    let facts = [("result", verdict.to_owned()), ("CPU use", cores.unwrap_or_default())];
    for (name, value) in facts.into_iter().chain(run.machine.facts()) {
        page.push_str(&format!("| {name} | {value} |\n"));
    }
    for table in tables(run) {
        page.push_str(&format!("\n{}", table.to_markdown()));
    }
    for (name, title) in
        [("memory", "Memory"), ("descriptors", "File descriptors"), ("threads", "Threads")]
    {
        let [copy, zero_copy] = ["", "-zero-copy"].map(|mode| format!("soak-{name}{mode}.svg"));
        page.push_str(&format!(
            "\n![{title} of each server in copy mode]({copy})\n\
             ![{title} of each server in zero-copy mode]({zero_copy})\n"
        ));
    }
    if !run.problems.is_empty() {
        page.push_str(&format!("\n### Problems\n\n- {}\n", run.problems.join("\n- ")));
    }
    page
}

fn servers(run: &Run) -> Vec<&str> {
    parts(run, |id| id.strip_suffix("/before/memory_mib"))
}

fn spread(run: &Run, id: &str) -> Option<Spread> {
    run.get(id)?.spread()
}

fn median(run: &Run, id: &str) -> Option<f64> {
    Some(spread(run, id)?.median)
}
