//! The race: who is there, a warm-up, and then all of them in turns.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant, SystemTime};

use indicatif::{ProgressBar, ProgressStyle};

use crate::bars;
use crate::measures::{Course, Measure, Sizes};
use crate::peer::Peer;
use crate::record::{self, Absent, Record};
use crate::stats::Sample;
use crate::table;
use benches::machine::Machine;
use benches::process;

/// The options of the race.
#[derive(Debug)]
pub struct Options {
    pub measures: Vec<Measure>,
    pub peers: Vec<Peer>,
    pub rounds: usize,
    pub sizes: Sizes,
}

/// One measurement to be made.
type Step<'a> = (Measure, &'a Peer);

/// Runs the race. The record contains the tables.
pub fn run(options: Options) -> Result<Record, String> {
    // Those that are held need two descriptors each, and servers inherit the limit.
    let descriptors = benches::load::descriptors();
    if options.measures.contains(&Measure::Held) && options.sizes.held_clients > descriptors / 2 {
        return Err(format!(
            "a server needs two file descriptors for each client that is held, and there are only \
             {descriptors}: --held-clients {}, or a higher limit: ulimit -Hn",
            descriptors / 2
        ));
    }
    let began = SystemTime::now();
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    process::end_all_on_interrupt(folder.path()).map_err(|error| error.to_string())?;
    say("making the files");
    let course = Course::new(folder.path(), &options.measures, options.sizes);
    let mut course = course.map_err(|error| format!("cannot make the files: {error}"))?;
    let (peers, absent) = present(&course, &options.peers);
    for Absent { server, why } in &absent {
        say(&format!("absent: {server}: {why}"));
    }
    if peers.is_empty() {
        return Err("no server could be started".to_owned());
    }
    let (samples, failures) = race(&mut course, &options, &peers)?;
    let bars = bars::judge(&samples);
    let mut tables: Vec<_> = options
        .measures
        .iter()
        .map(|&measure| table::of(measure, &samples, &peers, &options.sizes))
        .filter(|table| !table.rows.is_empty())
        .collect();
    if !bars.is_empty() {
        tables.push(bars::table(&bars));
    }
    Ok(Record {
        date: humantime::format_rfc3339_seconds(began).to_string(),
        options: recorded_options(&options, &peers),
        machine: Machine::look(),
        absent,
        failures,
        bars,
        samples,
        tables,
    })
}

/// Returns the options for the record, with the servers that could be started.
fn recorded_options(options: &Options, peers: &[Peer]) -> record::Options {
    record::Options {
        rounds: options.rounds,
        measures: options.measures.iter().map(|measure| measure.name()).collect(),
        servers: peers.iter().map(|peer| peer.name.clone()).collect(),
        large_bytes: options.sizes.large_bytes,
        river_clients: options.sizes.river_clients,
        held_clients: options.sizes.held_clients,
        job_time_s: options.sizes.job_time.as_secs_f64(),
    }
}

/// Those who start and serve; and those who do not, with their words.
fn present(course: &Course, peers: &[Peer]) -> (Vec<Peer>, Vec<Absent>) {
    let (mut present, mut absent) = (Vec::new(), Vec::new());
    for peer in peers {
        match course.try_out(peer) {
            Ok(()) => present.push(peer.clone()),
            Err(why) => absent.push(Absent { server: peer.name.clone(), why }),
        }
    }
    (present, absent)
}

fn race(
    course: &mut Course,
    options: &Options,
    peers: &[Peer],
) -> Result<(Vec<Sample>, Vec<String>), String> {
    let steps: Vec<Step<'_>> = options
        .measures
        .iter()
        .flat_map(|&measure| peers.iter().map(move |peer| (measure, peer)))
        .filter(|(measure, peer)| measure.is_not_for(peer).is_none())
        .collect();
    let guess_s: f64 =
        steps.iter().map(|(measure, peer)| measure.guess_s(peer, &course.sizes)).sum();
    let guess = guess_s * (options.rounds as f64 + 0.5);
    say(&format!("{} measurements a round: {} in all", steps.len(), about(guess)));

    let bar = progress_bar(steps.len() * (options.rounds + 1))?;
    let (mut samples, mut failures) = (Vec::new(), Vec::new());
    let mut warm: Vec<Step<'_>> = Vec::new();
    for (measure, peer) in steps {
        bar.set_message(format!("warm-up: {} {}", measure.name(), peer.name));
        match course.warm_up(measure, peer) {
            Ok(()) => warm.push((measure, peer)),
            Err(why) => {
                failures.push(format!("{} {}: {why}", measure.name(), peer.name));
                bar.inc(options.rounds as u64);
            }
        }
        bar.inc(1);
    }
    for round in 1..=options.rounds {
        let began = Instant::now();
        for (measure, peer) in in_turn(&warm, round) {
            if round > measure.rounds(options.rounds) {
                bar.inc(1);
                continue;
            }
            let what = format!("{} {}", measure.name(), peer.name);
            bar.set_message(format!("round {round} of {}: {what}", options.rounds));
            match course.measure(measure, peer, round) {
                Ok(figures) => samples.push(Sample {
                    round,
                    measure: measure.name(),
                    server: peer.name.clone(),
                    figures,
                }),
                Err(why) => failures.push(format!("round {round}, {what}: {why}")),
            }
            bar.inc(1);
        }
        if !io::stderr().is_terminal() {
            let left_s = began.elapsed().as_secs_f64() * (options.rounds - round) as f64;
            say(&format!("round {round} of {}, {} left", options.rounds, about(left_s)));
        }
    }
    bar.finish_and_clear();
    Ok((samples, failures))
}

/// The order of a round: measure by measure, and in each a server further begins.
fn in_turn<'a>(steps: &[Step<'a>], round: usize) -> Vec<Step<'a>> {
    let mut turn = Vec::with_capacity(steps.len());
    for of_measure in steps.chunk_by(|one, other| one.0 == other.0) {
        let mut of_measure = of_measure.to_vec();
        let shift = round % of_measure.len();
        of_measure.rotate_left(shift);
        turn.extend(of_measure);
    }
    turn
}

fn about(seconds: f64) -> String {
    match seconds {
        ..100.0 => format!("about {seconds:.0} s"),
        _ => format!("about {:.0} min", seconds / 60.0),
    }
}

fn progress_bar(steps: usize) -> Result<ProgressBar, String> {
    let template = "{bar:20} {pos}/{len} {elapsed}, {eta} left, {msg}";
    let style = ProgressStyle::with_template(template).map_err(|error| error.to_string())?;
    let bar = ProgressBar::new(steps as u64).with_style(style);
    if io::stderr().is_terminal() {
        bar.enable_steady_tick(Duration::from_millis(500));
    }
    Ok(bar)
}

/// Says something on stderr, which may be closed.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "peers: {line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer;

    #[test]
    fn another_one_begins_in_every_round() {
        let peers = peer::known();
        let steps: Vec<Step<'_>> = [Measure::Large, Measure::River]
            .into_iter()
            .flat_map(|measure| peers[..3].iter().map(move |peer| (measure, peer)))
            .collect();
        let names = |round| -> Vec<String> {
            in_turn(&steps, round).iter().map(|(_, peer)| peer.name.clone()).collect()
        };
        let (a, b, c) = ("std", "std-zero-copy", "tokio");
        assert_eq!(names(1), [b, c, a, b, c, a]);
        assert_eq!(names(2), [c, a, b, c, a, b]);
        assert_eq!(names(3), [a, b, c, a, b, c]);
    }

    #[test]
    fn times_are_said_roughly() {
        assert_eq!(about(42.4), "about 42 s");
        assert_eq!(about(840.0), "about 14 min");
    }
}
