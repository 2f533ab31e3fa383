//! Draws the connections of a server: the places of the bytes, the states and the events.

use flow_trace::State;

use super::fills::Band;
use super::{
    Axis, BAND, CONNECTIONS_MAX, LEFT, RIGHT, STACK, Step, client_does, draw_stack, fills, fitted,
    size, state_names,
};
use crate::common::counted;
use crate::pictures::svg::{LINE, MARGIN, Rect, Svg, TEXT, width_of};
use crate::pictures::trace::{Connection, Sample, Server};

/// The height of a connection: the stacked bytes, the state and the events.
const ROW: f64 = STACK + BAND + 10.0;

/// The width of the band of a reset.
const RESET_WIDTH: f64 = 6.0;

/// Returns whether the picture shows only the sum of the connections.
pub fn is_sum(server: &Server) -> bool {
    server.connections.len() > CONNECTIONS_MAX
}

pub fn height(server: &Server) -> f64 {
    if is_sum(server) { STACK + 10.0 } else { ROW * server.connections.len() as f64 }
}

/// Draws the connections below `top`. `all` is the length of a reply.
pub fn draw(svg: &mut Svg, server: &Server, axis: &Axis, all: u64, top: f64) {
    if is_sum(server) {
        return draw_sum(svg, server, axis, top);
    }
    for (at, connection) in server.connections.iter().enumerate() {
        draw_connection(svg, connection, axis, all, top + ROW * at as f64);
    }
}

fn draw_connection(svg: &mut Svg, connection: &Connection, axis: &Axis, all: u64, top: f64) {
    svg.text(MARGIN, top + TEXT, "", &format!("#{}", connection.number));
    let does = connection.settings.as_ref().map(client_does).unwrap_or_default();
    for (at, line) in does.iter().take(2).enumerate() {
        let text = fitted(line, LEFT - MARGIN - 4.0);
        svg.text(MARGIN, top + TEXT + LINE * (at + 1) as f64, "soft", &text);
    }
    let (x, right) = (axis.x(connection.from_us), axis.x(connection.to_us));
    svg.rect("track", Rect { x, y: top, width: right - x, height: STACK }, 0.0);
    let steps: Vec<Step<4>> = connection.samples.iter().map(step).collect();
    draw_stack(svg, axis, &steps, connection.to_us, (fills::BYTES, all), top);
    let top = top + STACK + 1.0;
    let bands = connection.spans().filter_map(|(from_us, to_us, state)| {
        let from = axis.x(from_us);
        // The connection ends with a reset, so this state has no duration.
        let to = if state == State::Reset { from + RESET_WIDTH } else { axis.x(to_us) };
        Some(Band { fill: fills::of_state(state)?, from, to, names: state_names(state).to_vec() })
    });
    fills::bands(svg, bands.collect(), top);
    draw_events(svg, connection, axis, top - STACK - 1.0);
}

/// Draws a line for each event, and the names of the events for which there is space.
fn draw_events(svg: &mut Svg, connection: &Connection, axis: &Axis, top: f64) {
    let mut free = RIGHT;
    for (at_us, event) in connection.events.iter().rev() {
        let x = axis.x(*at_us);
        let name = match event.as_str() {
            "connected" | "data" => "",
            event => &event.replace('_', " "),
        };
        let height = if name.is_empty() { STACK * 0.3 } else { STACK };
        svg.line("wire", &[(x, top), (x, top + height)]);
        let width = width_of(name) + 4.0;
        let left = if x + width > free { x - width } else { x };
        if !name.is_empty() && left > LEFT && left + width <= free {
            svg.text(left + 4.0, top + TEXT - 2.0, "event", name);
            free = left;
        }
    }
}

/// Draws the sum of the bytes of all open connections.
fn draw_sum(svg: &mut Svg, server: &Server, axis: &Axis, top: f64) {
    let sum = |us: u64| {
        let open = server.connections.iter().filter_map(|connection| connection.sample_at(us));
        open.fold((us, [0; 4]), |(us, sums), sample| {
            let (_, values) = step(&sample);
            (us, std::array::from_fn(|at| sums[at] + values[at]))
        })
    };
    let steps: Vec<Step<4>> = axis.columns().map(sum).collect();
    let all = steps.iter().map(|(_, values)| values[3]).max().unwrap_or(0);
    svg.text(MARGIN, top + TEXT, "", &counted(server.connections.len(), "client"));
    svg.text(MARGIN, top + TEXT + LINE, "soft", &format!("sum {}", size(all)));
    draw_stack(svg, axis, &steps, axis.end_us, (fills::BYTES, all), top);
}

fn step(sample: &Sample) -> Step<4> {
    (sample.at_us, [sample.read, sample.received, sample.written, sample.loaded])
}
