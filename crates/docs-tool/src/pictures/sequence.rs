//! Sequences: messages between actors, from top to bottom.
//!
//! ```text
//! sequence: TITLE
//! description: the content of the picture, for readers who cannot see it
//! actors: client, server
//! client -> server: a message that arrives
//! server ->! client: a reset
//! note server: an action
//! event server: file_ended             an event in the server's log
//! alarm client: an error
//! pause: up to 5 s
//! part: the heading of the rows below
//! ```

use super::source::{Line, Source};
use super::svg::{
    LINE, MARGIN, Rect, Svg, TEXT, WIDTH, bold_width_of, code_width_of, width_of, wrapped,
};

/// The height of the area for the title.
const TOP: f64 = 40.0;

/// The height by which an arrow falls. Time runs from top to bottom, and a message arrives after it
/// was sent.
const FALL: f64 = 8.0;

/// The distance between rows.
const GAP: f64 = 10.0;

const ROWS: &str = "write `A -> B: TEXT`, `A ->! B: TEXT`, `note A: TEXT`, \
                    `event A: TEXT`, `alarm A: TEXT`, `pause: TEXT` or `part: TEXT`";

pub fn draw(source: &Source, title: &str) -> Result<String, String> {
    let description = source.required("description")?;
    let actors: Vec<&str> = source.required("actors")?.split(',').map(str::trim).collect();
    let step = WIDTH / actors.len() as f64;
    let lanes = (0..actors.len()).map(|at| step * (at as f64 + 0.5)).collect();
    let mut sequence = Sequence { source, actors, lanes, svg: Svg::default(), y: TOP + 40.0 };
    for line in sequence.source.lines()?.into_iter().skip(1) {
        if !["description", "actors"].contains(&line.words) {
            sequence.draw_row(line)?;
            sequence.y += GAP;
        }
    }
    // The lifelines are drawn before the rows, so that the rows cover the lifelines.
    let Sequence { actors, lanes, svg: rows, y: bottom, .. } = sequence;
    let mut svg = Svg::titled(title);
    for (name, x) in actors.into_iter().zip(lanes) {
        svg.line("life", &[(x, TOP + 28.0), (x, bottom)]);
        let width = bold_width_of(name) + 24.0;
        svg.rect("box", Rect { x: x - width / 2.0, y: TOP, width, height: 28.0 }, 4.0);
        svg.text(x, TOP + 19.0, "mid bold", name);
    }
    svg.append(rows);
    Ok(svg.finish(title, description, bottom + MARGIN))
}

/// The state of a sequence during its drawing.
struct Sequence<'a> {
    source: &'a Source,
    actors: Vec<&'a str>,
    /// The horizontal positions of the lifelines.
    lanes: Vec<f64>,
    svg: Svg,
    /// The top of the next row.
    y: f64,
}

impl Sequence<'_> {
    fn draw_row(&mut self, Line { number, words, text }: Line<'_>) -> Result<(), String> {
        let lane = |name: &str| {
            let actor = self.actors.iter().position(|actor| *actor == name);
            let what = format!("there is no actor `{name}`");
            let help = format!("use one of {}", self.actors.join(", "));
            actor.map(|at| self.lanes[at]).ok_or_else(|| self.source.error(number, &what, &help))
        };
        match words.split_whitespace().collect::<Vec<_>>()[..] {
            ["pause"] => self.draw_pause(text),
            ["part"] => self.draw_part(text),
            [from, sign @ ("->" | "->!"), to] => {
                let ends = (lane(from)?, lane(to)?);
                self.draw_message(ends, sign, text);
            }
            [kind @ ("note" | "event" | "alarm"), actor] => {
                let x = lane(actor)?;
                self.draw_note(x, kind, text);
            }
            _ => return Err(self.source.error(number, &format!("`{words}` is not a row"), ROWS)),
        }
        Ok(())
    }

    fn draw_message(&mut self, (from, to): (f64, f64), sign: &str, text: &str) {
        let (class, wire, margin) = match sign {
            "->!" => ("mid alarm", "bad", 44.0),
            _ => ("mid", "wire", 20.0),
        };
        let lines = wrapped(text, (to - from).abs() - margin);
        let y = self.svg.texts(f64::midpoint(from, to), self.y, class, &lines) + 5.0;
        self.svg.arrow(wire, &[(from, y), (to, y + FALL)]);
        self.y = y + FALL;
    }

    fn draw_note(&mut self, lane: f64, kind: &str, text: &str) {
        let room = WIDTH / self.lanes.len() as f64 - 2.0 * MARGIN;
        type Measure = fn(&str) -> f64;
        let (measure, scale, radius, frame, class): (Measure, _, _, _, _) = match kind {
            "event" => (code_width_of, 1.0, 12.0, "kept", "mid code"),
            "alarm" => (bold_width_of, 1.12, 2.0, "lost", "mid alarm"),
            _ => (width_of, 1.0, 2.0, "box", "mid"),
        };
        let lines = wrapped(text, (room - 20.0) / scale);
        let widest = lines.iter().map(|line| measure(line)).fold(0.0, f64::max);
        let width = (widest + 20.0).min(room);
        let height = lines.len() as f64 * LINE + 8.0;
        let rect = Rect { x: lane - width / 2.0, y: self.y, width, height };
        // The frame is transparent and would show the lifeline.
        self.svg.rect("paper", rect, radius);
        self.svg.rect(frame, rect, radius);
        self.svg.texts(lane, self.y + 3.0, class, &lines);
        self.y += height;
    }

    fn draw_pause(&mut self, text: &str) {
        let lines = wrapped(text, WIDTH - 60.0);
        let text_height = lines.len() as f64 * LINE;
        let (y, height) = (self.y, text_height + 12.0);
        for x in &self.lanes {
            self.svg.rect("paper", Rect { x: x - 3.0, y, width: 6.0, height }, 0.0);
            self.svg.line("faint", &[(*x, y), (*x, y + height)]);
        }
        let width = lines.iter().map(|line| width_of(line)).fold(0.0, f64::max) + 12.0;
        let x = (WIDTH - width) / 2.0;
        self.svg.rect("paper", Rect { x, y: y + 4.0, width, height: height - 8.0 }, 0.0);
        let top = y + (height - text_height) / 2.0 - (LINE - TEXT) / 4.0;
        self.svg.texts(WIDTH / 2.0, top, "mid soft", &lines);
        self.y += height;
    }

    fn draw_part(&mut self, text: &str) {
        let lines = wrapped(text, WIDTH - 2.0 * MARGIN);
        let height = lines.len() as f64 * LINE + 8.0;
        self.svg.rect("band", Rect { x: 0.0, y: self.y, width: WIDTH, height }, 0.0);
        self.svg.texts(MARGIN, self.y + 3.0, "bold", &lines);
        self.y += height;
    }
}
