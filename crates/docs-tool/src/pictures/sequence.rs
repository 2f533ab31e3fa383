//! Sequences: who says what to whom, from the top down.
//!
//! ```text
//! sequence: TITLE
//! description: what it shows, for who cannot see it
//! actors: client, server
//! client -> server: a message          it arrives
//! client -x server: a message          it does not
//! server ->! client: RST               it destroys
//! note server: what it does
//! event server: file_ended             as it is in the log
//! alarm client: what is wrong
//! pause: up to 5 s
//! part: what begins here
//! ```

use super::source::{Line, Source};
use super::svg::{
    LINE, MARGIN, Rect, Svg, TEXT, WIDTH, bold_width_of, code_width_of, width_of, wrapped,
};

/// The head of a picture, above the first row.
const TOP: f64 = 40.0;

/// How far an arrow falls on its way, since nothing arrives when it leaves.
const FALL: f64 = 8.0;

/// Between rows.
const GAP: f64 = 10.0;

/// What kinds of lines there are, for who wrote another one.
const KINDS: &str = "write `A -> B: TEXT`, `A -x B: TEXT`, `A ->! B: TEXT`, `note A: TEXT`, \
                     `event A: TEXT`, `alarm A: TEXT`, `pause: TEXT` or `part: TEXT`";

/// One row.
#[derive(Debug, PartialEq)]
enum Row<'a> {
    Message { from: usize, to: usize, fate: Fate, text: &'a str },
    Note { actor: usize, class: NoteClass, text: &'a str },
    Pause(&'a str),
    Part(&'a str),
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Arrives,
    IsLost,
    Destroys,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum NoteClass {
    Note,
    Event,
    Alarm,
}

pub fn draw(source: &Source, title: &str) -> Result<String, String> {
    let description = source.needed("description", "description: what it shows")?.text;
    let actors = source.needed("actors", "actors: client, server")?.text;
    let actors: Vec<&str> = actors.split(',').map(str::trim).collect();
    let rows = rows(source, &actors)?;
    let mut svg = Svg::new(title, description);
    let step = WIDTH / actors.len() as f64;
    let lanes: Vec<f64> = (0..actors.len()).map(|at| step * (at as f64 + 0.5)).collect();
    // The lifelines are below all else, and how long they are is known at the end.
    let mut above = Svg::new(title, description);
    let bottom = draw_rows(&mut above, &lanes, &rows, TOP + 40.0);
    for (name, x) in actors.iter().zip(&lanes) {
        svg.line("life", &[(*x, TOP + 28.0), (*x, bottom)]);
        let width = bold_width_of(name) + 24.0;
        svg.rect("box", Rect { x: x - width / 2.0, y: TOP, width, height: 28.0 }, 4.0);
        svg.text(*x, TOP + 19.0, "mid bold", name);
    }
    draw_rows(&mut svg, &lanes, &rows, TOP + 40.0);
    Ok(svg.finish(bottom + MARGIN))
}

fn rows<'a>(source: &'a Source, actors: &[&str]) -> Result<Vec<Row<'a>>, String> {
    let lines = source.lines()?.into_iter().skip(1);
    let rows = lines.filter(|line| !["description", "actors"].contains(&line.words));
    rows.map(|line| row(source, actors, line)).collect()
}

fn row<'a>(source: &Source, actors: &[&str], line: Line<'a>) -> Result<Row<'a>, String> {
    let Line { number, words, text } = line;
    let actor = |name: &str| {
        let found = actors.iter().position(|actor| *actor == name.trim());
        let what = format!("there is no actor `{}`", name.trim());
        let help = format!("name one of {}", actors.join(", "));
        found.ok_or_else(|| source.error(number, &what, &help))
    };
    match words {
        "pause" => return Ok(Row::Pause(text)),
        "part" => return Ok(Row::Part(text)),
        _ => {}
    }
    for (sign, fate) in [(" ->! ", Fate::Destroys), (" -> ", Fate::Arrives), (" -x ", Fate::IsLost)]
    {
        if let Some((from, to)) = words.split_once(sign) {
            return Ok(Row::Message { from: actor(from)?, to: actor(to)?, fate, text });
        }
    }
    let class = match words.split_once(' ') {
        Some(("note", name)) => (NoteClass::Note, name),
        Some(("event", name)) => (NoteClass::Event, name),
        Some(("alarm", name)) => (NoteClass::Alarm, name),
        _ => return Err(source.error(number, &format!("`{words}` is no row"), KINDS)),
    };
    Ok(Row::Note { actor: actor(class.1)?, class: class.0, text })
}

/// Draws all rows; returns where they end.
fn draw_rows(svg: &mut Svg, lanes: &[f64], rows: &[Row<'_>], top: f64) -> f64 {
    let mut y = top;
    for row in rows {
        y = GAP
            + match row {
                Row::Message { from, to, fate, text } => {
                    draw_message(svg, (lanes[*from], lanes[*to]), *fate, text, y)
                }
                Row::Note { actor, class, text } => draw_note(svg, lanes, *actor, *class, text, y),
                Row::Pause(text) => draw_pause(svg, lanes, text, y),
                Row::Part(text) => draw_part(svg, text, y),
            };
    }
    y
}

fn draw_message(svg: &mut Svg, (from, to): (f64, f64), fate: Fate, text: &str, y: f64) -> f64 {
    let mid = f64::midpoint(from, to);
    let class = if fate == Fate::Destroys { "mid alarm" } else { "mid" };
    let room = (to - from).abs() - if fate == Fate::Destroys { 44.0 } else { 20.0 };
    let y = svg.texts(mid, y, class, &wrapped(text, room)) + 5.0;
    let wire = if fate == Fate::Destroys { "bad" } else { "wire" };
    if fate == Fate::IsLost {
        let part = |at: f64| (from + (to - from) * at, y + FALL * at);
        svg.line(wire, &[part(0.0), part(0.62)]);
        let (x, y) = part(0.65);
        svg.cross(x, y, 6.0);
    } else {
        svg.arrow(wire, &[(from, y), (to, y + FALL)]);
    }
    y + FALL
}

fn draw_note(
    svg: &mut Svg,
    lanes: &[f64],
    actor: usize,
    class: NoteClass,
    text: &str,
    y: f64,
) -> f64 {
    let room = WIDTH / lanes.len() as f64 - 2.0 * MARGIN;
    let measure = match class {
        NoteClass::Note => width_of,
        NoteClass::Event => code_width_of,
        NoteClass::Alarm => bold_width_of,
    };
    // Which may be a little wider than it was taken for.
    let lines = wrapped(text, (room - 20.0) / if class == NoteClass::Alarm { 1.12 } else { 1.0 });
    let widest = lines.iter().map(|line| measure(line)).fold(0.0, f64::max);
    let width = (widest + 20.0).min(room);
    let height = lines.len() as f64 * LINE + 8.0;
    let (x, radius) =
        (lanes[actor] - width / 2.0, if class == NoteClass::Event { 12.0 } else { 2.0 });
    let (frame, words) = match class {
        NoteClass::Note => ("box", "mid"),
        NoteClass::Event => ("kept", "mid code"),
        NoteClass::Alarm => ("lost", "mid alarm"),
    };
    let rect = Rect { x, y, width, height };
    // A tint alone would let the lifeline through.
    svg.rect("paper", rect, radius);
    svg.rect(frame, rect, radius);
    svg.texts(lanes[actor], y + 3.0, words, &lines);
    y + height
}

fn draw_pause(svg: &mut Svg, lanes: &[f64], text: &str, y: f64) -> f64 {
    let lines = wrapped(text, WIDTH - 60.0);
    let height = lines.len() as f64 * LINE + 12.0;
    for x in lanes {
        let rect = Rect { x: x - 3.0, y, width: 6.0, height };
        svg.rect("paper", rect, 0.0);
        svg.line("faint", &[(*x, y), (*x, y + height)]);
    }
    let widest = lines.iter().map(|line| width_of(line)).fold(0.0, f64::max);
    let rect = Rect {
        x: WIDTH / 2.0 - widest / 2.0 - 6.0,
        y: y + 4.0,
        width: widest + 12.0,
        height: height - 8.0,
    };
    svg.rect("paper", rect, 0.0);
    svg.texts(
        WIDTH / 2.0,
        y + (height - lines.len() as f64 * LINE) / 2.0 - (LINE - TEXT) / 4.0,
        "mid soft",
        &lines,
    );
    y + height
}

fn draw_part(svg: &mut Svg, text: &str, y: f64) -> f64 {
    let lines = wrapped(text, WIDTH - 2.0 * MARGIN);
    let height = lines.len() as f64 * LINE + 8.0;
    svg.rect("band", Rect { x: 0.0, y, width: WIDTH, height }, 0.0);
    svg.texts(MARGIN, y + 3.0, "bold", &lines);
    y + height
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "sequence: A\ndescription: b\nactors: client, server\n";

    fn rows_of(rest: &str) -> Result<usize, String> {
        let source = Source::of(&format!("{HEAD}{rest}"));
        rows(&source, &["client", "server"]).map(|rows| rows.len())
    }

    #[test]
    fn every_kind_of_row_is_read() {
        let source = Source::of(&format!(
            "{HEAD}client -> server: SYN\nserver ->! client: RST\nclient -x server: a: b\n\
             # no\n\nnote server: waits\nevent server: file_ended\nalarm client: lost\npause: 5 s\n\
             part: again\n"
        ));
        let rows = rows(&source, &["client", "server"]).unwrap();
        assert_eq!(rows.len(), 8);
        assert_eq!(rows[1], Row::Message { from: 1, to: 0, fate: Fate::Destroys, text: "RST" });
        assert_eq!(rows[2], Row::Message { from: 0, to: 1, fate: Fate::IsLost, text: "a: b" });
        assert_eq!(rows[3], Row::Note { actor: 1, class: NoteClass::Note, text: "waits" });
        assert_eq!(rows[6], Row::Pause("5 s"));
        let svg = draw(&source, "A").unwrap();
        assert!(svg.contains(">file_ended<") && svg.contains("<title id=\"t\">A</title>"));
    }

    #[test]
    fn mistakes_name_line_and_mend() {
        let said = rows_of("client -> nobody: SYN\n").unwrap_err();
        assert_eq!(said, "a.txt:4: there is no actor `nobody`; help: name one of client, server");
        let said = rows_of("client - server: SYN\n").unwrap_err();
        assert!(said.starts_with("a.txt:4: `client - server` is no row; help: write"), "{said}");
        let bare = Source::of("sequence: A\nactors: client\n");
        assert!(draw(&bare, "A").unwrap_err().contains("add `description: what it shows`"));
    }
}
