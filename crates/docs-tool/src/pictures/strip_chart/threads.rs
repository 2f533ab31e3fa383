//! Draws the threads of a server, with the system calls in which they are blocked.

use flow_trace::ThreadState;

use super::fills::Band;
use super::{Axis, BAND, LEFT, STACK, Step, draw_stack, fills, fitted, seconds, thread_state_name};
use crate::common::counted;
use crate::pictures::svg::{LINE, MARGIN, Svg, TEXT, WIDTH};
use crate::pictures::trace::{Server, Thread};

/// If a server has more rows, the picture shows only the number of threads in each state.
const ROWS_MAX: usize = 12;

/// The height of a thread.
const LANE: f64 = BAND + 4.0;

/// Returns one thread for each row, and the number of threads in this row. Threads with the same
/// name, for example the idle threads of a pool, share a row if their states never differ.
pub fn rows(server: &Server) -> Vec<(usize, &Thread)> {
    let mut rows = Vec::<(usize, &Thread)>::new();
    for thread in &server.threads {
        let is_same = |it: &Thread| it.name == thread.name && it.states == thread.states;
        match rows.iter_mut().find(|(_, known)| is_same(known)) {
            Some((count, _)) => *count += 1,
            None => rows.push((1, thread)),
        }
    }
    rows
}

/// Returns whether the picture shows only how many threads are in each state.
pub fn are_counted(server: &Server) -> bool {
    rows(server).len() > ROWS_MAX
}

pub fn height(server: &Server) -> f64 {
    if are_counted(server) { STACK + LINE + 6.0 } else { LANE * rows(server).len() as f64 }
}

pub fn draw(svg: &mut Svg, server: &Server, axis: &Axis, top: f64) {
    if are_counted(server) {
        return draw_counts(svg, server, axis, top);
    }
    for (at, row) in rows(server).into_iter().enumerate() {
        draw_row(svg, row, axis, top + LANE * at as f64);
    }
}

/// Returns a sentence with the number of threads that are blocked at a time, and with the most
/// frequent system calls.
pub fn calls(server: &Server, at_us: u64) -> String {
    let mut counts = Vec::<(usize, &str)>::new();
    for (_, state, call) in server.threads.iter().filter_map(|thread| thread.state_at(at_us)) {
        if *state != ThreadState::Blocked || call.is_empty() {
            continue;
        }
        match counts.iter_mut().find(|(_, known)| known == call) {
            Some((count, _)) => *count += 1,
            None => counts.push((1, call)),
        }
    }
    counts.sort_by(|a, b| b.cmp(a));
    let counts: Vec<String> =
        counts.iter().take(3).map(|(count, call)| format!("{count} in {call}")).collect();
    format!("Blocked after {} s: {}.", seconds(at_us), counts.join(", "))
}

fn draw_row(svg: &mut Svg, (count, thread): (usize, &Thread), axis: &Axis, top: f64) {
    let name = if count > 1 { format!("{count} × {}", thread.name) } else { thread.name.clone() };
    svg.text(MARGIN, top + TEXT, "", &fitted(&name, LEFT - MARGIN - 4.0));
    let spans = thread.spans(axis.end_us).into_iter();
    let bands = spans.filter_map(|(from_us, to_us, state, call)| {
        let (from, to) = (axis.x(from_us), axis.x(to_us));
        let name = if call.is_empty() { thread_state_name(state) } else { call };
        Some(Band { fill: fills::of_thread(state)?, from, to, names: vec![name] })
    });
    fills::bands(svg, bands.collect(), top + 1.0);
}

/// Draws how many threads are in each state, and names the most frequent system calls.
fn draw_counts(svg: &mut Svg, server: &Server, axis: &Axis, top: f64) {
    let counts = |us: u64| {
        let states = || server.threads.iter().filter_map(|thread| thread.state_at(us));
        let count = |of: ThreadState| states().filter(|(_, state, _)| *state == of).count() as u64;
        let blocked = count(ThreadState::Blocked);
        let runnable = blocked + count(ThreadState::Runnable);
        (us, [blocked, runnable, runnable + count(ThreadState::Running)])
    };
    let steps: Vec<Step<3>> = axis.columns().map(counts).collect();
    let most = steps.iter().max_by_key(|(_, [.., all])| *all);
    let (_, [.., all]) = most.copied().unwrap_or_default();
    svg.text(MARGIN, top + TEXT, "", &counted(all, "thread"));
    draw_stack(svg, axis, &steps, axis.end_us, (fills::THREADS, all), top);
    let calls = calls(server, axis.end_us / 2);
    let text = fitted(&calls, WIDTH - 2.0 * MARGIN);
    svg.text(MARGIN, top + STACK + LINE, "soft event", &text);
}
