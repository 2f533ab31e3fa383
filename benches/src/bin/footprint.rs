//! `footprint`: what each server costs as a whole process, in figures that hardly depend on the
//! weather.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(ended) = approaches::main_of_server() {
        return ended;
    }
    footprint()
}

#[cfg(target_os = "linux")]
use linux::footprint;

/// Elsewhere than on Linux nothing tells these figures.
#[cfg(not(target_os = "linux"))]
fn footprint() -> ExitCode {
    use std::io::{self, Write};
    let words = "footprint: it counts by strace and /proc, which only Linux has\n";
    let _ = io::stderr().write_all(words.as_bytes());
    ExitCode::from(2)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::io::{self, IsTerminal, Write};
    use std::path::{Path, PathBuf};
    use std::process::ExitCode;
    use std::time::{Duration, SystemTime};

    use benches::footprint::{Absent, Footprint, Footprints, HELD_CLIENTS, Subject, why_no_strace};
    use benches::machine::Machine;
    use benches::suite::CHUNK_SIZES;
    use benches::{process, units};
    use clap::builder::PossibleValuesParser;
    use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
    use indicatif::{ProgressBar, ProgressStyle};

    const EXAMPLES: &str = "\
Examples:
  footprint
      every server, chunk sizes from 1 B to 1 MiB, and clients who are held
  footprint --server tokio,node --chunk-size 1B,64KiB --no-held
      a quick look

Each server is a process of its own, the same job for all. Times come from a run
without strace, system calls from one with it.
Exit code: 0 all was measured, 1 something failed, 2 it could not run.";

    /// Something could not be measured.
    const EXIT_FAILED: u8 = 1;
    /// It could not run.
    const EXIT_UNABLE: u8 = 2;

    pub fn footprint() -> ExitCode {
        match measured(&command().get_matches()) {
            Ok(footprint) if footprint.absent.is_empty() => ExitCode::SUCCESS,
            Ok(_) => ExitCode::from(EXIT_FAILED),
            Err(message) => {
                say(&format!("footprint: {message}\n"));
                ExitCode::from(EXIT_UNABLE)
            }
        }
    }

    fn command() -> Command {
        let servers: Vec<String> = Subject::all().into_iter().map(|subject| subject.name).collect();
        Command::new("footprint")
            .version(env!("CARGO_PKG_VERSION"))
            .about("Measures what each server costs as a whole process")
            .after_help(EXAMPLES)
            .args([
                option(
                    "server",
                    "NAMES",
                    "Who, with commas between [default: all]: node, and
the kit's own, also with -zero-copy behind a name",
                )
                .value_delimiter(',')
                .value_parser(PossibleValuesParser::new(servers))
                .hide_possible_values(true),
                option(
                    "chunk-size",
                    "NAMES",
                    "Chunk sizes, with commas between [default: all]:\n1B 64B 1KiB 8KiB 64KiB 1MiB",
                )
                .value_delimiter(',')
                .value_parser(PossibleValuesParser::new(CHUNK_SIZES.map(|size| size.0)))
                .hide_possible_values(true),
                option("job-time", "TIME", "How long a timed job takes, about\n")
                    .default_value("500ms")
                    .value_parser(units::time),
                switch("no-strace", "Count no system calls"),
                switch("no-held", "Hold no clients"),
                option("out", "FILE", "Where the JSON goes [default:\ntarget/footprint.json]")
                    .value_parser(value_parser!(PathBuf)),
            ])
    }

    /// The help has its own line ends, for 80 columns.
    fn option(name: &'static str, value: &'static str, help: impl Into<String>) -> Arg {
        Arg::new(name).long(name).value_name(value).help(help.into())
    }

    fn switch(name: &'static str, help: &'static str) -> Arg {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    }

    /// What there is to do.
    enum Step {
        Job(Subject, u64),
        Held(Subject, u64),
    }

    impl Step {
        fn name(&self) -> String {
            match self {
                Self::Job(subject, chunk_bytes) => {
                    format!("{} with chunks of {chunk_bytes} bytes", subject.name)
                }
                Self::Held(subject, clients) => format!("{} with {clients} clients", subject.name),
            }
        }
    }

    fn measured(matches: &ArgMatches) -> Result<Footprint, String> {
        let out = matches
            .get_one("out")
            .cloned()
            .unwrap_or_else(|| benches::records::target_folder().join("footprint.json"));
        let folder = out.parent().unwrap_or(Path::new(".")).join("tmp");
        let untraced = match matches.get_flag("no-strace") {
            true => Some("it was not asked for".to_owned()),
            false => why_no_strace(),
        };
        if let Some(why) = &untraced {
            say(&format!("footprint: no system calls are counted: {why}\n"));
        }
        let job_time = matches.get_one("job-time").copied().unwrap_or(Duration::ZERO);
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut footprints = Footprints::within(&folder, program, job_time, untraced.is_none())?;
        process::end_all_on_interrupt(footprints.folder()).map_err(|error| error.to_string())?;
        let mut footprint = Footprint {
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            machine: Machine::look(),
            untraced,
            ..Footprint::default()
        };
        let steps = steps(matches);
        let bar = progress_bar(steps.len())?;
        for (at, step) in steps.iter().enumerate() {
            bar.set_message(step.name());
            if bar.is_hidden() {
                say(&format!("[{}/{}] {}\n", at + 1, steps.len(), step.name()));
            }
            take(step, &mut footprints, &mut footprint);
            bar.inc(1);
        }
        bar.finish_and_clear();
        print(&footprint);
        write(&footprint, &out)?;
        Ok(footprint)
    }

    fn take(step: &Step, footprints: &mut Footprints, footprint: &mut Footprint) {
        let taken = match step {
            Step::Job(subject, chunk_bytes) => {
                footprints.job(subject, *chunk_bytes).map(|job| footprint.jobs.push(job))
            }
            Step::Held(subject, clients) => {
                footprints.held(subject, *clients).map(|held| footprint.held.push(held))
            }
        };
        if let Err(why) = taken {
            footprint.absent.push(Absent { server: step.name(), why });
        }
    }

    fn steps(matches: &ArgMatches) -> Vec<Step> {
        let names = |name: &str| -> Vec<String> {
            matches.get_many(name).unwrap_or_default().cloned().collect()
        };
        let (servers, sizes) = (names("server"), names("chunk-size"));
        let is_wanted =
            |list: &[String], name: &str| list.is_empty() || list.iter().any(|n| n == name);
        let mut subjects = Subject::all();
        subjects.retain(|subject| is_wanted(&servers, &subject.name));
        let mut steps = Vec::new();
        for (_, chunk_bytes) in CHUNK_SIZES.into_iter().filter(|size| is_wanted(&sizes, size.0)) {
            let jobs = subjects.iter().cloned();
            steps.extend(jobs.map(|subject| Step::Job(subject, chunk_bytes as u64)));
        }
        if !matches.get_flag("no-held") {
            for clients in HELD_CLIENTS {
                steps.extend(subjects.iter().cloned().map(|subject| Step::Held(subject, clients)));
            }
        }
        steps
    }

    fn progress_bar(steps: usize) -> Result<ProgressBar, String> {
        if !io::stderr().is_terminal() {
            return Ok(ProgressBar::hidden());
        }
        let template = "{bar:30} {pos}/{len} {elapsed}, {eta} left, {msg}";
        let style = ProgressStyle::with_template(template).map_err(|error| error.to_string())?;
        Ok(ProgressBar::new(steps as u64).with_style(style))
    }

    fn print(footprint: &Footprint) {
        let mut text = String::new();
        for table in footprint.tables() {
            text.push_str(&format!("{table}\n"));
        }
        for Absent { server, why } in &footprint.absent {
            text.push_str(&format!("failed: {server}: {why}\n"));
        }
        let _ = io::stdout().write_all(text.as_bytes());
    }

    fn write(footprint: &Footprint, path: &Path) -> Result<(), String> {
        let json = serde_json::to_string_pretty(footprint).map_err(|error| error.to_string())?;
        let written = fs::write(path, json + "\n");
        written.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        say(&format!("footprint: written to {}\n", path.display()));
        Ok(())
    }

    /// Says something on stderr, which may be closed.
    fn say(text: &str) {
        let _ = io::stderr().write_all(text.as_bytes());
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn planned(args: &str) -> Result<Vec<String>, clap::Error> {
            let args = ["footprint"].into_iter().chain(args.split_whitespace());
            let matches = command().try_get_matches_from(args)?;
            Ok(steps(&matches).iter().map(Step::name).collect())
        }

        #[test]
        fn all_or_some() {
            assert_eq!(planned("").unwrap().len(), 9 * 6 + 9 * 4);
            assert_eq!(
                planned("--server node,std --chunk-size 1B --no-held").unwrap(),
                ["std with chunks of 1 bytes", "node with chunks of 1 bytes"]
            );
            assert!(planned("--server nobody").is_err());
        }

        #[test]
        fn the_help_fits_into_80_columns() {
            let help = command().render_help().to_string();
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
    }
}
