//! Draws strip charts of the connections and threads in a trace.

mod connections;
mod description;
mod fills;
mod legend;
mod threads;

use flow_trace::{Settings, State, ThreadState};

use super::source::Source;
use super::svg::{LINE, MARGIN, Svg, TEXT, WIDTH, width_of};
use super::trace::{Server, Trace};
use crate::common::counted;

/// The position of the start of the time axis, to the right of the names.
const LEFT: f64 = 152.0;
/// The position of the end of the time axis. The number of the last tick is centered at the tick,
/// so it needs space on the right.
const RIGHT: f64 = WIDTH - MARGIN - 12.0;

/// The height of stacked values.
const STACK: f64 = 38.0;
/// The height of a state that is drawn as a band.
const BAND: f64 = 16.0;
/// The minimum width of a visible band.
const WIDTH_MIN: f64 = 1.6;

/// If a server has more connections, the picture shows only their sum.
const CONNECTIONS_MAX: usize = 8;

pub fn draw(source: &Source) -> Result<String, String> {
    let trace = Trace::read(source)?;
    let title = title(&trace);
    let mut svg = Svg::titled(&title);
    svg.define(fills::DEFINITIONS);
    let axis = Axis::until(trace.end_us);
    let mut y = 34.0;
    for server in &trace.servers {
        y = draw_server(&mut svg, &trace, server, &axis, y) + 8.0;
    }
    let bottom = legend::draw(&mut svg, &trace, y);
    Ok(svg.finish(&title, &description::of(&trace), bottom + MARGIN))
}

/// Returns the names of the servers and of the scenario, such as `std, tokio: slow-reader`.
fn title(trace: &Trace) -> String {
    let names: Vec<&str> = trace.servers.iter().map(|server| server.name.as_str()).collect();
    match trace.scenario.as_str() {
        "" => names.join(", "),
        scenario => format!("{}: {scenario}", names.join(", ")),
    }
}

/// Draws all rows of a server. Returns the bottom of the rows.
fn draw_server(svg: &mut Svg, trace: &Trace, server: &Server, axis: &Axis, top: f64) -> f64 {
    svg.text(MARGIN, top + TEXT + 4.0, "bold", &server.name);
    let threads = counted(server.threads_max, "thread");
    let memory = size(server.memory_bytes_max);
    let values = format!("at most {threads}, {memory} of memory");
    svg.text(RIGHT, top + TEXT + 4.0, "end soft", &values);
    let top = top + LINE + 10.0;
    let middle = top + connections::height(server);
    let bottom = axis.draw(svg, top, middle + threads::height(server));
    connections::draw(svg, server, axis, trace.reply_bytes(), top);
    threads::draw(svg, server, axis, middle);
    bottom
}

/// The positions of times.
struct Axis {
    end_us: u64,
    step_us: u64,
}

impl Axis {
    /// Returns an axis that ends at this time. The distance between ticks is 1, 2 or 5 times a power
    /// of ten, and results in at most eight intervals.
    fn until(end_us: u64) -> Self {
        let mut steps = (0..18).flat_map(|power| [1, 2, 5].map(|step| step * 10_u64.pow(power)));
        let step_us = steps.find(|step| end_us <= step * 8).unwrap_or(end_us);
        Self { end_us: end_us.max(1), step_us }
    }

    fn x(&self, us: u64) -> f64 {
        LEFT + (RIGHT - LEFT) * us.min(self.end_us) as f64 / self.end_us as f64
    }

    /// Draws the ticks from `top` to `bottom`, and their numbers below. Returns the bottom of the
    /// numbers.
    fn draw(&self, svg: &mut Svg, top: f64, bottom: f64) -> f64 {
        let y = bottom + TEXT + 4.0;
        for us in (0..=self.end_us / self.step_us).map(|tick| tick * self.step_us) {
            svg.line("grid", &[(self.x(us), top), (self.x(us), bottom + 4.0)]);
            svg.text(self.x(us), y, "mid soft", &(us as f64 / 1e6).to_string());
        }
        svg.text(MARGIN, y, "soft", "seconds");
        y + 6.0
    }

    /// Returns the times of columns with a width of two pixels.
    fn columns(&self) -> impl Iterator<Item = u64> {
        let count = ((RIGHT - LEFT) / 2.0) as u64;
        let end_us = self.end_us;
        (0..=count).map(move |column| end_us * column / count)
    }
}

/// The stacked values at one point in time. Each value includes the values before it.
type Step<const LAYERS: usize> = (u64, [u64; LAYERS]);

/// Draws stacked values. Each step extends to the next step, and the last step extends to `end_us`.
/// `all` is the value at the top.
fn draw_stack<const LAYERS: usize>(
    svg: &mut Svg,
    axis: &Axis,
    steps: &[Step<LAYERS>],
    end_us: u64,
    (fills, all): ([&'static str; LAYERS], u64),
    top: f64,
) {
    let y = |value: u64| top + STACK * (1.0 - value.min(all) as f64 / all.max(1) as f64);
    let mut visible = Vec::<(f64, [u64; LAYERS])>::new();
    for (at_us, values) in steps {
        let x = axis.x(*at_us);
        match visible.last_mut() {
            Some((last_x, last)) if x - *last_x < 0.5 => *last = *values,
            Some((_, last)) if last == values => {}
            _ => visible.push((x, *values)),
        }
    }
    for (layer, fill) in fills.into_iter().enumerate() {
        let (mut upper, mut lower) = (Vec::new(), Vec::new());
        for (at, (x, values)) in visible.iter().enumerate() {
            let next_x = match visible.get(at + 1) {
                Some((next_x, _)) => *next_x,
                None => axis.x(end_us).max(x + WIDTH_MIN),
            };
            let below = if layer == 0 { 0 } else { values[layer - 1] };
            upper.extend([(*x, y(values[layer])), (next_x, y(values[layer]))]);
            lower.extend([(*x, y(below)), (next_x, y(below))]);
        }
        if upper != lower {
            upper.extend(lower.into_iter().rev());
            fills::areas(svg, fill, &[upper]);
        }
    }
}

/// Returns short descriptions of what a client does.
fn client_does(settings: &Settings) -> Vec<String> {
    let mut does = Vec::new();
    match settings.speed {
        Some(0) => does.push("paused".to_owned()),
        Some(speed) => does.push(format!("{}/s", size(speed))),
        None => {}
    }
    if settings.upload > 0 {
        does.push(format!("uploads {}", size(settings.upload)));
    }
    let flags = [
        (settings.half_close, "half-closes"),
        (settings.reset_after.is_some(), "resets"),
        (settings.never_close, "never closes"),
    ];
    does.extend(flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, text)| text.to_owned()));
    does
}

/// Returns the names of a state. A band shows the first name that fits.
fn state_names(state: State) -> &'static [&'static str] {
    match state {
        State::Connected => &["connected"],
        State::Writing => &["writing"],
        State::Waiting => &["waiting for send-buffer space", "waiting for space", "waiting"],
        State::Draining => &["draining"],
        State::Closed => &["closed"],
        State::Reset => &["reset"],
    }
}

fn thread_state_name(state: ThreadState) -> &'static str {
    match state {
        ThreadState::Running => "running",
        ThreadState::Runnable => "runnable",
        ThreadState::Blocked => "blocked",
        ThreadState::Ended => "ended",
    }
}

/// Returns the beginning of a text that fits in this width.
fn fitted(text: &str, width: f64) -> String {
    let mut text = text.to_owned();
    if width_of(&text) > width {
        while width_of(&text) + TEXT > width && text.pop().is_some() {}
        text.push('…');
    }
    text
}

/// Returns a size with a unit, such as `64 KiB` or `1.5 MiB`.
fn size(bytes: u64) -> String {
    let rounded = |size: f64| if size < 10.0 { (size * 10.0).round() / 10.0 } else { size.round() };
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KiB", rounded(bytes as f64 / 1024.0)),
        1_048_576..1_073_741_824 => format!("{} MiB", rounded(bytes as f64 / 1_048_576.0)),
        _ => format!("{} GiB", rounded(bytes as f64 / 1_073_741_824.0)),
    }
}

/// Returns a time in seconds, rounded to two decimals.
fn seconds(us: u64) -> f64 {
    (us as f64 / 1e4).round() / 100.0
}
