//! Diagrams: boxes in rows and columns, and arrows between them.
//!
//! ```text
//! diagram: TITLE
//! description: what it shows, for who cannot see it
//! columns: 4
//! gap: 14                              pixels between columns
//! gutter: 110                          pixels at the right, for `side`
//! band 2-3: rows that belong together
//! band 2-3 right: the same, with its name at the right
//! box NAME ROW COLUMNS: name | and what it is: `|` begins a line
//! box NAME ROW 2-3 full: full, kept, lost, faint or text say how it looks
//! arrow A -> B: what goes that way
//! back A -> B: what comes of it
//! bad A -> B: what destroys
//! side A -> B: as `back`, but round the right side
//! ```

use super::source::{Line, Source};
use super::svg::{LINE, MARGIN, Rect, Svg, WIDTH, wrapped};

/// The head of a picture, above the first row.
const TOP: f64 = 36.0;

/// Between a box's edge and its text.
const PADDING: f64 = 8.0;

/// Between rows, where nothing has to be said.
const ROW_GAP: f64 = 16.0;

/// For a band's name.
const BAND_HEAD: f64 = 24.0;

const LOOKS: [&str; 6] = ["box", "full", "kept", "lost", "faint", "text"];

const KINDS: &str = "write `box NAME ROW COLUMNS: TEXT`, `arrow A -> B: TEXT` (or back, bad, \
                     side), `band ROWS: TEXT`";

#[derive(Debug, Default)]
struct Diagram<'a> {
    columns: usize,
    gap: f64,
    gutter: f64,
    bands: Vec<Band<'a>>,
    boxes: Vec<Cell<'a>>,
    arrows: Vec<Arrow<'a>>,
}

/// Rows that belong together.
#[derive(Debug)]
struct Band<'a> {
    rows: (usize, usize),
    is_right: bool,
    name: &'a str,
}

#[derive(Debug)]
struct Cell<'a> {
    name: &'a str,
    row: usize,
    columns: (usize, usize),
    look: &'a str,
    text: &'a str,
}

#[derive(Debug)]
struct Arrow<'a> {
    class: &'a str,
    /// Boxes, by their places.
    from: usize,
    to: usize,
    text: &'a str,
}

/// Where everything is.
#[derive(Debug)]
struct Layout {
    /// The boxes, in their order.
    boxes: Vec<Rect>,
    /// From the end of the row before, to where each row begins and ends.
    rows: Vec<(f64, f64, f64)>,
    /// Where the columns end, and the gutter begins.
    right: f64,
}

pub fn draw(source: &Source, title: &str) -> Result<String, String> {
    let description = source.needed("description", "description: what it shows")?.text;
    let diagram = diagram(source)?;
    let layout = layout(&diagram);
    let mut svg = Svg::new(title, description);
    for band in &diagram.bands {
        draw_band(&mut svg, band, &layout);
    }
    for (cell, rect) in diagram.boxes.iter().zip(&layout.boxes) {
        draw_box(&mut svg, cell, *rect);
    }
    for at in 0..diagram.arrows.len() {
        draw_arrow(&mut svg, &diagram, at, &layout);
    }
    for band in &diagram.bands {
        draw_band_name(&mut svg, band, &layout);
    }
    let bottom = layout.rows.last().map_or(TOP, |(_, _, bottom)| *bottom);
    Ok(svg.finish(bottom + MARGIN + PADDING))
}

fn diagram(source: &Source) -> Result<Diagram<'_>, String> {
    let mut diagram = Diagram { columns: 1, gap: 14.0, ..Diagram::default() };
    for line in source.lines()?.into_iter().skip(1) {
        let words: Vec<&str> = line.words.split_whitespace().collect();
        let invalid = |what: &str| source.error(line.number, what, KINDS);
        match words[..] {
            ["description"] => {}
            ["columns"] => diagram.columns = number(source, line, line.text)?,
            ["gap"] => diagram.gap = number(source, line, line.text)? as f64,
            ["gutter"] => diagram.gutter = number(source, line, line.text)? as f64,
            ["band", rows] | ["band", rows, "right"] => {
                let (rows, is_right) = (range(source, line, rows)?, words.len() == 3);
                diagram.bands.push(Band { rows, is_right, name: line.text });
            }
            ["box", name, row, columns] => {
                diagram.boxes.push(cell(source, line, (name, row, columns, "box"))?);
            }
            ["box", name, row, columns, look] if LOOKS.contains(&look) => {
                diagram.boxes.push(cell(source, line, (name, row, columns, look))?);
            }
            [class @ ("arrow" | "back" | "bad" | "side"), from, "->", to] => {
                let place = |name: &str| {
                    let found = diagram.boxes.iter().position(|cell| cell.name == name);
                    found.ok_or_else(|| invalid(&format!("no box `{name}` stands above")))
                };
                let (from, to) = (place(from)?, place(to)?);
                diagram.arrows.push(Arrow { class, from, to, text: line.text });
            }
            _ => return Err(invalid(&format!("`{}` is nothing that can be drawn", line.words))),
        }
    }
    if let Some(cell) = diagram.boxes.iter().find(|cell| cell.columns.1 > diagram.columns) {
        let what = format!("box `{}` is outside of {} columns", cell.name, diagram.columns);
        return Err(source.error(1, &what, "make `columns:` larger"));
    }
    let rows = diagram.boxes.iter().map(|cell| cell.row).max().unwrap_or(0);
    match diagram.bands.iter().find(|band| band.rows.1 > rows) {
        Some(band) => {
            let what = format!("band `{}` has rows without a box", band.name);
            Err(source.error(1, &what, &format!("there are {rows} rows")))
        }
        None => Ok(diagram),
    }
}

fn cell<'a>(
    source: &Source,
    line: Line<'a>,
    (name, row, columns, look): (&'a str, &str, &str, &'a str),
) -> Result<Cell<'a>, String> {
    let row = number(source, line, row)?;
    let columns = range(source, line, columns)?;
    Ok(Cell { name, row, columns, look, text: line.text })
}

fn number(source: &Source, line: Line<'_>, text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => {
            Err(source.error(line.number, &format!("`{text}` is no number"), "count from 1"))
        }
        Ok(number) => Ok(number),
    }
}

/// `2` or `2-4`.
fn range(source: &Source, line: Line<'_>, text: &str) -> Result<(usize, usize), String> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (number(source, line, from)?, number(source, line, to)?) {
        (from, to) if from > to => {
            let help = "the smaller number comes first";
            Err(source.error(line.number, &format!("`{text}` is no range"), help))
        }
        range => Ok(range),
    }
}

fn layout(diagram: &Diagram<'_>) -> Layout {
    let left = MARGIN + PADDING;
    let right = WIDTH - left - diagram.gutter;
    let gaps = diagram.gap * (diagram.columns - 1) as f64;
    let column = (right - left - gaps) / diagram.columns as f64;
    let across = |(from, to): (usize, usize)| {
        let x = left + (column + diagram.gap) * (from - 1) as f64;
        (x, (column + diagram.gap) * (to - from) as f64 + column)
    };
    let mut boxes: Vec<Rect> = Vec::new();
    for cell in &diagram.boxes {
        let (x, width) = across(cell.columns);
        let lines = wrapped(cell.text, width - 2.0 * PADDING).len();
        boxes.push(Rect { x, y: 0.0, width, height: lines as f64 * LINE + 2.0 * PADDING });
    }
    let mut rows: Vec<(f64, f64, f64)> = Vec::new();
    let count = diagram.boxes.iter().map(|cell| cell.row).max().unwrap_or(0);
    let mut y = TOP;
    for row in 1..=count {
        let before = y;
        let is_after_band = diagram.bands.iter().any(|band| band.rows.1 + 1 == row);
        let begins_band = diagram.bands.iter().any(|band| band.rows.0 == row);
        y += said_between(diagram, row, &boxes, right)
            + if is_after_band { PADDING } else { 0.0 }
            + if begins_band { BAND_HEAD } else { 0.0 };
        let of_row = || diagram.boxes.iter().zip(&boxes).filter(|(cell, _)| cell.row == row);
        let height = of_row().map(|(_, rect)| rect.height).fold(0.0, f64::max);
        for (cell, rect) in diagram.boxes.iter().zip(&mut boxes) {
            if cell.row == row {
                (rect.y, rect.height) = (y, height);
            }
        }
        rows.push((before, y, y + height));
        y += height;
    }
    Layout { boxes, rows, right }
}

/// How much room what is said between a row and the one before it takes.
fn said_between(diagram: &Diagram<'_>, row: usize, boxes: &[Rect], right: f64) -> f64 {
    if row == 1 {
        return 0.0;
    }
    let lines = (0..diagram.arrows.len())
        .filter(|at| {
            let (from, to) = rows_of(diagram, *at);
            from != to && from.max(to) == row && diagram.arrows[*at].class != "side"
        })
        .map(|at| label(diagram, at, boxes, right).lines.len());
    match lines.max() {
        Some(lines) => (lines as f64 * LINE + 14.0).max(ROW_GAP + 8.0),
        None => ROW_GAP,
    }
}

fn rows_of(diagram: &Diagram<'_>, at: usize) -> (usize, usize) {
    let arrow = &diagram.arrows[at];
    (diagram.boxes[arrow.from].row, diagram.boxes[arrow.to].row)
}

/// Where an arrow between rows runs, and what stands beside it.
#[derive(Debug)]
struct Label {
    from_x: f64,
    to_x: f64,
    /// The text is at the arrow's left.
    is_left: bool,
    lines: Vec<String>,
}

fn label(diagram: &Diagram<'_>, at: usize, boxes: &[Rect], right: f64) -> Label {
    let arrow = &diagram.arrows[at];
    let (from, to) = (boxes[arrow.from], boxes[arrow.to]);
    let is_same_pair = |other: &Arrow<'_>| {
        (other.from, other.to) == (arrow.to, arrow.from)
            || (other.from, other.to) == (arrow.from, arrow.to)
    };
    let pair: Vec<usize> = (0..diagram.arrows.len())
        .filter(|other| {
            diagram.arrows[*other].class != "side" && is_same_pair(&diagram.arrows[*other])
        })
        .collect();
    let is_left = pair.len() > 1 && pair[0] == at;
    let shift = match pair.len() {
        0 | 1 => 0.0,
        _ if is_left => -14.0,
        _ => 14.0,
    };
    let (left_edge, right_edge) = (from.x.max(to.x), from.right().min(to.right()));
    let (from_x, to_x) = match left_edge < right_edge {
        true => (f64::midpoint(left_edge, right_edge), f64::midpoint(left_edge, right_edge)),
        false => (from.mid_x(), to.mid_x()),
    };
    let (from_x, to_x) = (from_x + shift, to_x + shift);
    let x = from_x.max(to_x);
    let (row_from, row_to) = rows_of(diagram, at);
    let is_crowded = (0..diagram.arrows.len()).any(|other| {
        let (from, to) = rows_of(diagram, other);
        !pair.contains(&other)
            && diagram.arrows[other].class != "side"
            && from != to
            && from.max(to) == row_from.max(row_to)
    });
    let room = match (is_left, is_crowded) {
        (true, _) => x - MARGIN - 12.0,
        (false, true) => (from.width.min(to.width) / 2.0 - 4.0).max(40.0),
        (false, false) => right - x - 8.0,
    };
    let lines = match arrow.text {
        "" => Vec::new(),
        text => wrapped(text, room),
    };
    Label { from_x, to_x, is_left, lines }
}

fn draw_band(svg: &mut Svg, band: &Band<'_>, layout: &Layout) {
    let (_, top, _) = layout.rows[band.rows.0 - 1];
    let (_, _, bottom) = layout.rows[band.rows.1 - 1];
    let (x, y) = (MARGIN, top - BAND_HEAD);
    let width = layout.right + PADDING - MARGIN;
    svg.rect("band", Rect { x, y, width, height: bottom + PADDING - y }, 6.0);
}

/// Over the arrows, which make room for it.
fn draw_band_name(svg: &mut Svg, band: &Band<'_>, layout: &Layout) {
    let (_, top, _) = layout.rows[band.rows.0 - 1];
    let y = top - BAND_HEAD + 16.0;
    match band.is_right {
        true => svg.text(layout.right, y, "name end", band.name),
        false => svg.text(MARGIN + PADDING, y, "name", band.name),
    }
}

fn draw_box(svg: &mut Svg, cell: &Cell<'_>, rect: Rect) {
    if cell.look != "text" {
        svg.rect(if cell.look == "faint" { "faint" } else { cell.look }, rect, 4.0);
    }
    let lines = wrapped(cell.text, rect.width - 2.0 * PADDING);
    let y = rect.mid_y() - lines.len() as f64 * LINE / 2.0 - 1.0;
    // What is first is its name.
    let name_lines = match cell.text.split_once(" | ") {
        Some((name, _)) if cell.look != "text" => wrapped(name, rect.width - 2.0 * PADDING).len(),
        _ => 0,
    };
    let y = svg.texts(rect.mid_x(), y, "mid bold", &lines[..name_lines]);
    let class = if cell.look == "text" { "mid soft" } else { "mid" };
    svg.texts(rect.mid_x(), y, class, &lines[name_lines..]);
    if cell.look == "lost" {
        svg.cross(rect.x + 2.0, rect.y + 2.0, 6.0);
        svg.cross(rect.right() - 2.0, rect.y + 2.0, 6.0);
    }
}

fn draw_arrow(svg: &mut Svg, diagram: &Diagram<'_>, at: usize, layout: &Layout) {
    let arrow = &diagram.arrows[at];
    let (from, to) = (layout.boxes[arrow.from], layout.boxes[arrow.to]);
    let class = match arrow.class {
        "arrow" => "wire",
        "side" => "back",
        class => class,
    };
    if arrow.class == "side" {
        return draw_side(svg, arrow, (from, to), layout, diagram.gutter);
    }
    let (row_from, row_to) = rows_of(diagram, at);
    if row_from == row_to {
        let (x, end) = match from.x < to.x {
            true => (from.right() + 2.0, to.x - 2.0),
            false => (from.x - 2.0, to.right() + 2.0),
        };
        svg.arrow(class, &[(x, from.mid_y()), (end, from.mid_y())]);
        let lines = wrapped(arrow.text, (end - x).abs());
        let y = from.mid_y() - lines.len() as f64 * LINE - 6.0;
        svg.texts(f64::midpoint(x, end), y, "mid", &lines);
        return;
    }
    let label = label(diagram, at, &layout.boxes, layout.right);
    let (y, end) = match row_from < row_to {
        true => (from.bottom() + 2.0, to.y - 2.0),
        false => (from.y - 2.0, to.bottom() + 2.0),
    };
    svg.arrow(class, &[(label.from_x, y), (label.to_x, end)]);
    let (before, _, _) = layout.rows[row_from.max(row_to) - 1];
    let is_after_band = diagram.bands.iter().any(|band| band.rows.1 + 1 == row_from.max(row_to));
    let y = before + if is_after_band { PADDING } else { 0.0 } + 5.0;
    match label.is_left {
        true => svg.texts(label.from_x.min(label.to_x) - 8.0, y, "end", &label.lines),
        false => svg.texts(label.from_x.max(label.to_x) + 8.0, y, "", &label.lines),
    };
}

fn draw_side(
    svg: &mut Svg,
    arrow: &Arrow<'_>,
    (from, to): (Rect, Rect),
    layout: &Layout,
    gutter: f64,
) {
    let x = layout.right + PADDING + 12.0;
    // A little apart, so that one that ends here is not one that begins here.
    let apart = if from.y > to.y { 7.0 } else { -7.0 };
    let start = (from.right() + 2.0, from.mid_y() - apart);
    let end = (to.right() + 2.0, to.mid_y() + apart);
    svg.arrow("back", &[start, (x, start.1), (x, end.1), end]);
    let lines = wrapped(arrow.text, gutter - 22.0);
    let y = f64::midpoint(start.1, end.1) - lines.len() as f64 * LINE / 2.0;
    svg.texts(x + 8.0, y, "", &lines);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "diagram: A\ndescription: b\ncolumns: 2\n";

    fn of(rest: &str) -> Result<String, String> {
        draw(&Source::of(&format!("{HEAD}{rest}")), "A")
    }

    #[test]
    fn boxes_stand_in_rows_and_columns() {
        let source = Source::of(&format!(
            "{HEAD}box a 1 1: one\nbox b 1 2 full: two | and a second line\nbox c 2 1-2: three\n\
             arrow a -> c: down\nback c -> a: up\nband 1-1: a band\n"
        ));
        let layout = layout(&diagram(&source).unwrap());
        let [a, b, c] = layout.boxes[..] else { panic!("{layout:?}") };
        assert_eq!((a.y, a.height), (b.y, b.height));
        assert!(a.right() < b.x && a.bottom() < c.y);
        assert_eq!((c.x, c.right()), (a.x, b.right()));
        let svg = draw(&source, "A").unwrap();
        for text in ["one", "two", "and a second line", "down", "up", "a band"] {
            assert!(svg.contains(&format!(">{text}</text>")), "{text}");
        }
    }

    #[test]
    fn mistakes_name_line_and_mend() {
        for (rest, said) in [
            ("box a 1 2-1: one\n", "a.txt:4: `2-1` is no range; help: the smaller"),
            ("box a 1 1: one\nband 1-2: b\n", "a.txt:1: band `b` has rows without a box; help"),
            ("box a 0 1: one\n", "a.txt:4: `0` is no number; help: count from 1"),
            ("box a 1 3: one\n", "a.txt:1: box `a` is outside of 2 columns; help: make"),
            ("arrow a -> b: x\n", "a.txt:4: no box `a` stands above; help: write `box"),
            ("box a 1 1 pink: x\n", "a.txt:4: `box a 1 1 pink` is nothing that can be drawn"),
        ] {
            let error = of(rest).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
