//! Draws the legend of a strip chart.

use flow_trace::{State, ThreadState};

use super::fills::Band;
use super::{BAND, connections, fills, size, state_names, thread_state_name};
use crate::pictures::svg::{LINE, MARGIN, Svg, WIDTH};
use crate::pictures::trace::{Connection, Trace};

/// The width of a symbol.
const SYMBOL: f64 = 22.0;

/// Draws a row for each symbol that occurs in the picture. Returns the bottom of the legend.
pub fn draw(svg: &mut Svg, trace: &Trace, top: f64) -> f64 {
    let mut entries = Entries { svg, y: top, is_right: false };
    let servers = || trace.servers.iter().filter(|server| !connections::is_sum(server));
    let shown: Vec<&Connection> = servers().flat_map(|server| &server.connections).collect();
    draw_bytes(&mut entries, trace, !shown.is_empty());
    draw_states(&mut entries, &shown);
    draw_threads(&mut entries, trace);
    let y = entries.y + LINE + 4.0;
    let file = size(trace.file_bytes);
    let note = match shown.is_empty() {
        true => format!("One run: each client requests a file of {file}"),
        false => format!("One run. The height of a row is the whole reply: {file}"),
    };
    svg.text(MARGIN, y, "soft", &note);
    y
}

/// Arranges entries in two columns.
struct Entries<'a> {
    svg: &'a mut Svg,
    /// The position of the text in the current row.
    y: f64,
    is_right: bool,
}

impl Entries<'_> {
    /// Adds an entry. `symbol` draws the symbol at a position: the left edge, and the top.
    fn add(&mut self, text: &str, symbol: impl FnOnce(&mut Svg, f64, f64)) {
        let x = if self.is_right { WIDTH / 2.0 + 20.0 } else { MARGIN };
        if !self.is_right {
            self.y += LINE + 3.0;
        }
        symbol(self.svg, x, self.y - BAND + 3.0);
        self.svg.text(x + SYMBOL + 8.0, self.y, "", text);
        self.is_right = !self.is_right;
    }

    fn add_band(&mut self, text: &str, fill: &'static str) {
        self.add(text, |svg, x, y| {
            let band = Band { fill, from: x, to: x + SYMBOL, names: Vec::new() };
            fills::bands(svg, vec![band], y);
        });
    }

    fn end_row(&mut self) {
        self.is_right = false;
    }
}

fn draw_bytes(entries: &mut Entries<'_>, trace: &Trace, has_rows: bool) {
    let names =
        ["read by the client", "in the receive buffer", "in the send buffer", "in the process"];
    let connections = || trace.servers.iter().flat_map(|server| &server.connections);
    for (part, (name, fill)) in names.into_iter().zip(fills::BYTES).enumerate() {
        if connections().flat_map(|it| &it.samples).any(|sample| sample.parts()[part] > 0) {
            entries.add_band(name, fill);
        }
    }
    if has_rows {
        entries.add_band("not yet written", "track");
    }
    entries.end_row();
}

fn draw_states(entries: &mut Entries<'_>, shown: &[&Connection]) {
    let all = [State::Connected, State::Writing, State::Waiting, State::Draining, State::Reset];
    for state in all {
        let occurs = |it: &&Connection| it.states.iter().any(|(_, known)| *known == state);
        if let Some(fill) = fills::of_state(state).filter(|_| shown.iter().any(occurs)) {
            let names = state_names(state);
            entries.add_band(names.get(1).unwrap_or(&names[0]), fill);
        }
    }
    entries.end_row();
}

fn draw_threads(entries: &mut Entries<'_>, trace: &Trace) {
    let threads = trace.servers.iter().flat_map(|server| &server.threads);
    let states: Vec<ThreadState> =
        threads.flat_map(|thread| &thread.states).map(|(_, state, _)| *state).collect();
    for state in [ThreadState::Running, ThreadState::Runnable, ThreadState::Blocked] {
        if let Some(fill) = fills::of_thread(state).filter(|_| states.contains(&state)) {
            entries.add_band(&format!("thread: {}", thread_state_name(state)), fill);
        }
    }
    entries.end_row();
}
