//! Runs the faults and prints their results.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use harness::cleanup;
use serde_json::{Map, Value};
use serve_core::Approach;

use crate::arguments::Arguments;
use crate::fault::{Fault, Result, fail};
use crate::{calls, clients, disk, kernel, log, memory, report, shutdown, threads};

/// All faults, in the order of the table.
const FAULTS: [&[Fault]; 7] = [
    shutdown::FAULTS,
    disk::FAULTS,
    memory::FAULTS,
    log::FAULTS,
    threads::FAULTS,
    calls::FAULTS,
    clients::FAULTS,
];

/// The maximum time for one fault and one sibling.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The exit code if a server did not handle a fault, and if the results could not be written.
const EXIT_FAILED: u8 = 1;
const EXIT_UNABLE: u8 = 2;

/// Runs the program, or the server whose name is its first argument.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(exit_code) = approaches::main_of_server() {
        return exit_code;
    }
    let arguments = Arguments::parse();
    let names = &arguments.names;
    let is_selected =
        |fault: &&Fault| names.is_empty() || names.iter().any(|name| fault.id.contains(&**name));
    let faults: Vec<&Fault> = FAULTS.into_iter().flatten().filter(is_selected).collect();
    if arguments.list {
        faults.iter().for_each(|fault| print(format_args!("{:22} {}\n", fault.id, fault.title)));
        return ExitCode::SUCCESS;
    }
    if let Err(reason) = kernel::enter_namespaces() {
        let _ = writeln!(io::stderr(), "skipped: {reason}");
        return ExitCode::SUCCESS;
    }
    if let Err(error) = cleanup::on_interrupt() {
        let _ = writeln!(io::stderr(), "error: cannot handle signals: {error}");
        return ExitCode::from(EXIT_UNABLE);
    }
    cleanup::before_end(kernel::remove_cgroups);
    cleanup::raise_descriptor_limit();
    // Do not return: a thread that exceeded its time limit may still wait for its server.
    cleanup::end(run(&arguments, &faults).into())
}

fn run(arguments: &Arguments, faults: &[&Fault]) -> u8 {
    let is_selected = |approach: &&&Approach| {
        arguments.approach.is_empty() || arguments.approach.iter().any(|it| it == approach.name)
    };
    let approaches: Vec<&'static Approach> =
        approaches::ALL.iter().filter(is_selected).copied().collect();
    let started = Instant::now();
    let mut results = Map::new();
    let mut failed = 0;
    for fault in faults {
        let siblings = run_fault(fault, &approaches);
        failed += siblings.values().filter(|result| result["verdict"] == "fail").count();
        if !arguments.json {
            print_results(fault, &siblings);
        }
        results.insert(fault.id.to_owned(), siblings.into());
    }
    let results = Value::Object(results);
    match arguments.json {
        true => print(format_args!("{results:#}\n")),
        false => {
            let (faults, seconds) = (faults.len(), started.elapsed().as_secs());
            print(format_args!("\n{faults} faults: {failed} failures, {seconds} s\n"));
        }
    }
    if arguments.write {
        if let Err(error) = report::write(faults, &results) {
            print(format_args!("error: cannot write the results: {error}\n"));
            return EXIT_UNABLE;
        }
    }
    if failed > 0 { EXIT_FAILED } else { 0 }
}

/// Runs a fault for all siblings, at the same time or one by one.
fn run_fault(fault: &Fault, approaches: &[&'static Approach]) -> Map<String, Value> {
    let mut results = Map::new();
    let mut pending = Vec::new();
    for approach in approaches {
        let result = start(fault.run, approach);
        match fault.is_alone {
            true => drop(results.insert(approach.name.to_owned(), report::verdict(wait(result)))),
            false => pending.push((approach.name, result)),
        }
    }
    for (name, result) in pending {
        results.insert(name.to_owned(), report::verdict(wait(result)));
    }
    results
}

fn start(
    run: fn(&'static Approach) -> Result,
    approach: &'static Approach,
) -> mpsc::Receiver<Result> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(run(approach)));
    receiver
}

fn wait(result: mpsc::Receiver<Result>) -> Result {
    match result.recv_timeout(TIMEOUT) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => fail(format!("no result within {TIMEOUT:?}")),
        Err(mpsc::RecvTimeoutError::Disconnected) => fail("the suite panicked"),
    }
}

fn print_results(fault: &Fault, siblings: &Map<String, Value>) {
    print(format_args!("{}: {}\n", fault.id, fault.title));
    for (name, result) in siblings {
        let [verdict, measured] =
            ["verdict", "measured"].map(|field| result[field].as_str().unwrap_or_default());
        print(format_args!("  {name:10} {verdict:8} {measured}\n"));
    }
}

/// Prints text to stdout. Ignores errors, because stdout may be closed.
fn print(text: fmt::Arguments<'_>) {
    let _ = io::stdout().write_fmt(text);
}
