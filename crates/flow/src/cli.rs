//! The command line of the program `flow`.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use harness::{cleanup, text};
use tokio::runtime::Runtime;

use crate::hub::Hub;
use crate::scenarios;
use crate::sequential;
use crate::servers::{self, Command, Setup};
use crate::session::Session;
use crate::web::{Control, Mode, Web};
use crate::{record, replay};

const EXAMPLES: &str = "\
Examples:
  flow
      Show the std server and the Tokio server side by side
  flow --approach std,tokio,smol,mio
      Show any of the kit's servers
  flow --approach tokio --cmd 'node server.mjs {file} {port}'
      Also show a server in another language
  flow record trace.jsonl --scenario slow-reader --duration 20s
      Write a trace without opening a page
  flow replay trace.jsonl
      Show a trace

Each command must contain {file} and {port}. A SIZE is in bytes or has a unit:
8MiB. A TIME is in seconds or has a unit: 20s.";

/// The exit code for every error. clap uses the same exit code for invalid arguments.
const EXIT_ERROR: u8 = 2;

/// The maximum value of `--file-size` in bytes (1 GiB), so that a typing error does not fill the
/// disk.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// The approaches that are shown if the command line names no server.
const DEFAULT_APPROACHES: [&str; 2] = ["std", "tokio"];

/// Show where each byte is and what each thread does, while servers run
#[derive(Parser)]
#[command(name = "flow", version, after_help = EXAMPLES, max_term_width = 80)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    servers: ServerArgs,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Subcommand)]
enum Action {
    /// Run a scenario without a page, and write its trace
    Record(RecordArgs),
    /// Show a trace
    Replay(ReplayArgs),
}

#[derive(Args)]
struct ServerArgs {
    /// Approaches of the kit's servers, separated by commas; can be repeated
    /// [default: std,tokio, or none with --cmd]
    #[arg(long, value_name = "NAMES", value_delimiter = ',',
        value_parser = PossibleValuesParser::new(approaches()))]
    approach: Vec<String>,
    /// Command that starts another server; can be repeated
    #[arg(long, value_name = "CMD", value_parser = command)]
    cmd: Vec<Command>,
    /// Length of the file that the servers send
    #[arg(long, value_name = "SIZE", default_value = "8MiB", value_parser = file_bytes)]
    file_size: u64,
}

#[derive(Args)]
struct PageArgs {
    /// Port of the page; 0 lets the system select a free port
    #[arg(long, value_name = "PORT", default_value = "4040")]
    port: u16,
}

#[derive(Args)]
struct RecordArgs {
    /// File for the trace
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Scenario to run
    #[arg(long, value_name = "NAME", default_value = "slow-reader")]
    #[arg(value_parser = PossibleValuesParser::new(scenario_names()))]
    scenario: String,
    /// Duration of the recording
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = text::duration)]
    duration: Duration,
    #[command(flatten)]
    servers: ServerArgs,
}

#[derive(Args)]
struct ReplayArgs {
    /// File with the trace
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    page: PageArgs,
}

/// Runs the program, and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(ended) = main_of_server() {
        return ended;
    }
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Some error messages have a second line, which starts with `help: `.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(EXIT_ERROR)
        }
    }
}

/// Runs a server if this process was started as `flow serve-NAME …`.
fn main_of_server() -> Option<ExitCode> {
    let is_sequential = std::env::args_os().nth(1).is_some_and(|name| name == "serve-sequential");
    if is_sequential {
        let arguments = std::env::args_os().skip(1);
        return Some(serve_core::main_with_args(&sequential::APPROACH, arguments));
    }
    approaches::main_of_server()
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let _cleanup = cleanup::on_interrupt().context("cannot handle Ctrl-C")?;
    match cli.action {
        None => serve(&cli.servers, &cli.page),
        Some(Action::Replay(args)) => replay(&args),
        Some(Action::Record(args)) => record::run(record::Options {
            servers: args.servers.options(),
            file: args.file,
            scenario: args.scenario,
            duration: args.duration,
        }),
    }
}

/// Starts the servers and serves the page.
fn serve(servers: &ServerArgs, page: &PageArgs) -> anyhow::Result<()> {
    // The port is opened first, so that no server starts if the port is in use.
    let web = Web::bind(page.port)?;
    cleanup::raise_descriptor_limit();
    runtime()?.block_on(async {
        let mut options = servers.options();
        options.add_on_demand();
        let session = Session::start(options)?;
        for (index, name) in session.hub.header().servers.iter().enumerate() {
            if let Some(addr) = session.servers.addr(index) {
                print(format_args!("{name} listens on {addr}"));
            }
        }
        let control = Control {
            servers: session.servers.clone(),
            clients: session.clients.clone(),
            scenarios: session.scenarios.clone(),
        };
        show(web, Arc::clone(&session.hub), Mode::Live(control)).await
    })
}

fn replay(args: &ReplayArgs) -> anyhow::Result<()> {
    let trace = replay::read(&args.file)?;
    let web = Web::bind(args.page.port)?;
    if let Some(warning) = trace.warning {
        let help = "record the trace again; the page shows it only up to this point";
        let _ = writeln!(io::stderr(), "warning: {warning}\nhelp: {help}");
    }
    runtime()?.block_on(show(web, Arc::new(trace.hub), Mode::Replay))
}

async fn show(web: Web, hub: Arc<Hub>, mode: Mode) -> anyhow::Result<()> {
    print(format_args!("open {}\npress Ctrl-C to stop", web.url()));
    web.serve(hub, mode).await.context("cannot serve the page")
}

fn runtime() -> anyhow::Result<Runtime> {
    Runtime::new().context("cannot start the runtime")
}

impl ServerArgs {
    fn options(&self) -> servers::Options {
        let mut approaches = self.approach.clone();
        if approaches.is_empty() && self.cmd.is_empty() {
            approaches.extend(DEFAULT_APPROACHES.map(str::to_owned));
        }
        let siblings = approaches.into_iter().map(Command::Sibling);
        servers::Options {
            servers: siblings.chain(self.cmd.iter().cloned()).collect(),
            file_bytes: self.file_size,
            setup: Setup::default(),
        }
    }
}

fn approaches() -> Vec<&'static str> {
    approaches::built().map(|approach| approach.name).chain([sequential::APPROACH.name]).collect()
}

fn scenario_names() -> Vec<&'static str> {
    scenarios::ALL.iter().map(|scenario| scenario.name).collect()
}

fn command(text: &str) -> Result<Command, String> {
    let command = Command::Other(text.to_owned());
    match command.words() {
        Ok(_) => Ok(command),
        Err(error) => Err(format!("{error:#}")),
    }
}

fn file_bytes(text: &str) -> Result<u64, String> {
    match text::positive_bytes(text)? {
        bytes if bytes > FILE_BYTES_MAX => Err("the maximum is 1GiB".to_owned()),
        bytes => Ok(bytes),
    }
}

/// Prints a line to stdout. Ignores errors, because stdout may be closed.
fn print(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}
