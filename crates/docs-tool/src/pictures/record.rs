//! Records the traces that the lessons show. `flow record` runs a scenario with real servers and
//! clients.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use harness::Group;

use crate::common::print;

/// The name, the servers, the scenario and the duration of each trace.
const TRACES: [(&str, &str, &str, &str); 7] = [
    ("flow-std", "std", "slow-reader", "12s"),
    ("flow-tokio", "tokio", "slow-reader", "12s"),
    ("flow-async-std", "async-std", "slow-reader", "12s"),
    ("flow-smol", "smol", "slow-reader", "12s"),
    ("flow-reset", "std", "reset", "9s"),
    ("flow-non-reading", "std,tokio", "non-reading-200", "5s"),
    ("flow-zero-copy", "std", "zero-copy", "5s"),
];

/// Records all traces, and writes them to `folder`.
pub fn traces(folder: &Path) -> anyhow::Result<()> {
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--release", "-p", "flow"]);
    ensure!(build.status().context("cannot start `cargo`")?.success(), "cannot build `flow`");
    let here = std::env::current_exe()?;
    let target = here.ancestors().nth(2).unwrap_or(&here).join("release");
    let program = target.join("flow").with_extension(std::env::consts::EXE_EXTENSION);
    for (name, servers, scenario, duration) in TRACES {
        let path = folder.join(format!("{name}.jsonl"));
        let mut flow = Command::new(&program);
        flow.arg("record").arg(&path).args(["--approach", servers, "--scenario", scenario]);
        flow.args(["--duration", duration]).stdin(Stdio::null()).stdout(Stdio::null());
        let status = Group::spawn(&mut flow).context("cannot start `flow`")?.child().wait()?;
        ensure!(status.success(), "cannot record `{name}`: {status}");
        print(name);
    }
    Ok(())
}
