//! Records the trace of a scenario in a file, without a page.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use harness::{TempFolder, cleanup};
use serde::Serialize;
use tokio::runtime::Runtime;
use tokio::time::{self, Instant};

use crate::hub::Hub;
use crate::scenarios::{self, Scenario};
use crate::servers;
use crate::session::Session;
use crate::trace::Line;

/// The interval of the messages on stderr.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// The settings of a recording.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file of the trace. An existing file is replaced when the trace is complete.
    pub file: PathBuf,
    /// The name of the scenario.
    pub scenario: String,
    /// The time between the start of the scenario and the end of the trace.
    pub duration: Duration,
    /// The servers.
    pub servers: servers::Options,
}

/// Starts the servers, runs the scenario for the duration, and writes the trace. Prints the progress
/// to stderr.
///
/// # Errors
///
/// Returns an error if there is no such scenario, if a server does not start, or if the trace cannot
/// be written, for example because the disk is full. In these cases, no file remains, and an
/// existing file is unchanged.
pub fn run(options: Options) -> anyhow::Result<()> {
    let Options { file, scenario, duration, mut servers } = options;
    let scenario = scenarios::by_name(&scenario)?;
    let output = Output::create(file)?;
    // The trace contains no servers with another setup.
    servers.setup = scenario.setup;
    if scenario.setup.with_on_demand {
        servers.add_on_demand();
    }
    cleanup::raise_descriptor_limit();
    let runtime = Runtime::new().context("cannot start the runtime of the clients")?;
    runtime.block_on(record(output, scenario, duration, servers))
}

async fn record(
    mut output: Output,
    scenario: &'static Scenario,
    duration: Duration,
    servers: servers::Options,
) -> anyhow::Result<()> {
    let session = Session::start(servers)?;
    output.write_line(session.hub.header())?;
    session.scenarios.start(scenario.name)?;
    write_lines(&session.hub, duration, &mut output).await?;
    output.write_line(&Line::End { at_us: session.hub.now_us() })?;
    output.finish()
}

/// Writes all lines of the hub to the file while the scenario runs.
async fn write_lines(hub: &Hub, duration: Duration, output: &mut Output) -> anyhow::Result<()> {
    let started = Instant::now();
    let deadline = started.checked_add(duration).context("the duration is too long")?;
    let mut progress_at = started + PROGRESS_INTERVAL;
    let mut changes = hub.subscribe();
    let mut next = 0;
    loop {
        // An error means that no line was appended in time.
        let _ = time::timeout_at(deadline.min(progress_at), changes.changed()).await;
        let batch = hub.since(next);
        if batch.has_gap {
            bail!("lines were lost, because `{}` was written too slowly", output.file.display());
        }
        output.write(&batch.text)?;
        print_notes(&batch.text);
        next = batch.next;
        let now = Instant::now();
        if now >= deadline {
            return Ok(());
        }
        if now >= progress_at {
            progress_at += PROGRESS_INTERVAL;
            let (elapsed, all) = ((now - started).as_secs(), duration.as_secs());
            let bytes = output.bytes;
            print_progress(&format!("recorded {elapsed} of {all} s, {bytes} bytes"));
        }
    }
}

/// A file that replaces another file when it is complete.
struct Output {
    file: PathBuf,
    temporary: File,
    bytes: u64,
    /// Contains the temporary file. Dropping the folder removes it.
    folder: TempFolder,
}

impl Output {
    const NAME: &str = "trace";

    /// Creates a temporary file beside `file`.
    fn create(file: PathBuf) -> anyhow::Result<Self> {
        let is_special = fs::metadata(&file).is_ok_and(|metadata| !metadata.is_file());
        if is_special {
            bail!("`{}` is not a regular file\nhelp: choose another name", file.display());
        }
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        if !parent.is_dir() {
            let (file, parent) = (file.display(), parent.display());
            bail!("cannot create `{file}`: the folder `{parent}` does not exist\nhelp: create it");
        }
        let folder = TempFolder::within(parent).map_err(|error| error_of(&file, &error))?;
        let temporary = File::create(folder.path().join(Self::NAME));
        let temporary = temporary.map_err(|error| error_of(&file, &error))?;
        Ok(Self { file, temporary, bytes: 0, folder })
    }

    fn write_line(&mut self, line: &impl Serialize) -> anyhow::Result<()> {
        let json = serde_json::to_string(line).context("cannot encode a line of the trace")?;
        self.write(&(json + "\n"))
    }

    fn write(&mut self, text: &str) -> anyhow::Result<()> {
        self.bytes += text.len() as u64;
        let written = self.temporary.write_all(text.as_bytes());
        written.map_err(|error| error_of(&self.file, &error))
    }

    fn finish(self) -> anyhow::Result<()> {
        let temporary = self.folder.path().join(Self::NAME);
        let renamed = self.temporary.sync_all().and_then(|()| fs::rename(temporary, &self.file));
        renamed.map_err(|error| error_of(&self.file, &error))?;
        print_progress(&format!("wrote `{}` ({} bytes)", self.file.display(), self.bytes));
        Ok(())
    }
}

fn error_of(file: &Path, error: &io::Error) -> anyhow::Error {
    let help = match error.kind() {
        io::ErrorKind::StorageFull => "\nhelp: free some space, or choose a file on another disk",
        _ => "",
    };
    anyhow!("cannot write `{}`: {error}{help}", file.display())
}

/// Prints the notes among the lines, such as the end of a server.
fn print_notes(lines: &str) {
    for line in lines.lines().filter(|line| line.starts_with(r#"{"type":"note""#)) {
        if let Ok(Line::Note { message, .. }) = serde_json::from_str(line) {
            print_progress(&format!("warning: {message}"));
        }
    }
}

fn print_progress(message: &str) {
    // An error is ignored, because stderr may be closed.
    let _ = writeln!(io::stderr(), "{message}");
}
