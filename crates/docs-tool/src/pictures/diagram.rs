//! Diagrams: boxes in rows and columns, and arrows between them.
//!
//! ```text
//! diagram: TITLE
//! description: the content of the picture, for readers who cannot see it
//! columns: 4
//! gap: 14                              pixels between columns
//! gutter: 110                          pixels at the right, for the text of `side`
//! band 2-3: the name of a group of rows
//! band 2-3 right: the name of a group of rows, at the right
//! box NAME ROW COLUMNS: name | description, where `|` starts a line
//! box NAME ROW 2-3 full: a box with the look `full` (or kept, lost, faint)
//! arrow A -> B: an action
//! back A -> B: the effect of an action
//! bad A -> B: a loss
//! side A -> B: the effect of an action, with the arrow at the right side
//! ```

use super::source::{Line, Source};
use super::svg::{LINE, MARGIN, Rect, Svg, WIDTH, wrapped};

/// The height of the area for the title.
const TOP: f64 = 36.0;

/// The distance between the edge of a box and its text.
const PADDING: f64 = 8.0;

/// The distance between rows without arrows.
const ROW_GAP: f64 = 16.0;

/// The height of the area for a band's name.
const BAND_HEAD: f64 = 24.0;

const LOOKS: [&str; 5] = ["box", "full", "kept", "lost", "faint"];

const PARTS: &str = "write `box NAME ROW COLUMNS: TEXT`, `arrow A -> B: TEXT` (or back, bad, \
                     side) or `band ROWS: TEXT`";

#[derive(Debug, Default)]
struct Diagram<'a> {
    columns: usize,
    gap: f64,
    gutter: f64,
    bands: Vec<Band<'a>>,
    boxes: Vec<Cell<'a>>,
    arrows: Vec<Arrow<'a>>,
    /// The top and the bottom of each row.
    rows: Vec<(f64, f64)>,
}

/// A group of rows with a common background and a name.
#[derive(Debug)]
struct Band<'a> {
    line: usize,
    rows: (usize, usize),
    is_right: bool,
    name: &'a str,
}

#[derive(Debug)]
struct Cell<'a> {
    name: &'a str,
    row: usize,
    look: &'a str,
    /// The bold lines, which precede the first ` | ` of the text. If the text contains no ` | `,
    /// there are no bold lines.
    bold: Vec<String>,
    lines: Vec<String>,
    rect: Rect,
}

#[derive(Debug)]
struct Arrow<'a> {
    class: &'a str,
    /// The indices of the boxes that the arrow connects.
    from: usize,
    to: usize,
    text: &'a str,
}

pub fn draw(source: &Source, title: &str) -> Result<String, String> {
    let mut diagram = Diagram { columns: 1, gap: 14.0, ..Diagram::default() };
    for line in source.lines()?.into_iter().skip(1) {
        diagram.add(source, line)?;
    }
    diagram.lay_out();
    let mut svg = Svg::titled(title);
    for band in &diagram.bands {
        let bottom = diagram.rows.get(band.rows.1 - 1).map(|row| row.1).ok_or_else(|| {
            let help = format!("use at most {} rows, or add a box", diagram.rows.len());
            source.error(band.line, &format!("there is no row {}", band.rows.1), &help)
        })?;
        let (x, y) = (MARGIN, diagram.rows[band.rows.0 - 1].0 - BAND_HEAD);
        let width = diagram.right() + PADDING - MARGIN;
        svg.rect("band", Rect { x, y, width, height: bottom + PADDING - y }, 6.0);
    }
    for cell in &diagram.boxes {
        draw_box(&mut svg, cell);
    }
    for (at, arrow) in diagram.arrows.iter().enumerate() {
        diagram.draw_arrow(&mut svg, at, arrow);
    }
    // The names are drawn last, so that they cover the arrows.
    for band in &diagram.bands {
        let y = diagram.rows[band.rows.0 - 1].0 - BAND_HEAD + 16.0;
        match band.is_right {
            true => svg.text(diagram.right(), y, "name end", band.name),
            false => svg.text(MARGIN + PADDING, y, "name", band.name),
        }
    }
    let bottom = diagram.rows.last().map_or(TOP, |row| row.1);
    Ok(svg.finish(title, source.required("description")?, bottom + MARGIN + PADDING))
}

impl<'a> Diagram<'a> {
    fn add(&mut self, source: &Source, line: Line<'a>) -> Result<(), String> {
        let number = |text: &str| range(source, line, text).map(|range| range.0);
        match line.words.split_whitespace().collect::<Vec<_>>()[..] {
            ["description"] => {}
            ["columns"] => self.columns = number(line.text)?,
            ["gap"] => self.gap = number(line.text)? as f64,
            ["gutter"] => self.gutter = number(line.text)? as f64,
            ["band", rows, ref right @ ..] if right.is_empty() || right == ["right"] => {
                let (rows, is_right) = (range(source, line, rows)?, !right.is_empty());
                self.bands.push(Band { line: line.number, rows, is_right, name: line.text });
            }
            ["box", name, row, columns, ref look @ ..]
                if look.len() < 2 && look.iter().all(|look| LOOKS.contains(look)) =>
            {
                let (row, (from, to)) = (number(row)?, range(source, line, columns)?);
                if to > self.columns {
                    let what = format!("there is no column {to}");
                    return Err(source.error(line.number, &what, "increase `columns:` above"));
                }
                let gaps = self.gap * (self.columns - 1) as f64;
                let column = (self.right() - MARGIN - PADDING - gaps) / self.columns as f64;
                let x = MARGIN + PADDING + (column + self.gap) * (from - 1) as f64;
                let width = (column + self.gap) * (to - from) as f64 + column;
                let (first, rest) = line.text.split_once(" | ").unwrap_or(("", line.text));
                let bold = match first {
                    "" => Vec::new(),
                    first => wrapped(first, width - 2.0 * PADDING),
                };
                let lines = wrapped(rest, width - 2.0 * PADDING);
                let height = (bold.len() + lines.len()) as f64 * LINE + 2.0 * PADDING;
                let rect = Rect { x, y: 0.0, width, height };
                let look = look.first().unwrap_or(&"box");
                self.boxes.push(Cell { name, row, look, bold, lines, rect });
            }
            [class @ ("arrow" | "back" | "bad" | "side"), from, "->", to] => {
                let index = |name: &str| {
                    let found = self.boxes.iter().position(|cell| cell.name == name);
                    let what = format!("there is no box `{name}` above");
                    found.ok_or_else(|| source.error(line.number, &what, PARTS))
                };
                let class = if class == "arrow" { "wire" } else { class };
                let (from, to) = (index(from)?, index(to)?);
                self.arrows.push(Arrow { class, from, to, text: line.text });
            }
            _ => {
                let what = format!("`{}` is not part of a diagram", line.words);
                return Err(source.error(line.number, &what, PARTS));
            }
        }
        Ok(())
    }

    /// Returns the right end of the columns.
    fn right(&self) -> f64 {
        WIDTH - MARGIN - PADDING - self.gutter
    }

    /// Sets the vertical positions of all boxes.
    fn lay_out(&mut self) {
        let mut y = TOP;
        for row in 1..=self.boxes.iter().map(|cell| cell.row).max().unwrap_or(0) {
            if row > 1 {
                y += self.height_above(row);
            }
            if self.bands.iter().any(|band| band.rows.0 == row) {
                y += BAND_HEAD;
            }
            let cells = || self.boxes.iter().filter(|cell| cell.row == row);
            let height = cells().map(|cell| cell.rect.height).fold(0.0, f64::max);
            for cell in self.boxes.iter_mut().filter(|cell| cell.row == row) {
                (cell.rect.y, cell.rect.height) = (y, height);
            }
            self.rows.push((y, y + height));
            y += height;
        }
    }

    /// Returns the distance between a row and the row above, without the area for a band's name.
    fn height_above(&self, row: usize) -> f64 {
        let arrows =
            self.arrows.iter().filter(|it| it.class != "side" && self.lower_row(it) == row);
        let lines = arrows.map(|arrow| label(arrow).len()).max();
        let arrows = lines.map_or(ROW_GAP, |lines| (lines as f64 * LINE + 14.0).max(ROW_GAP + 8.0));
        arrows + self.band_end(row)
    }

    /// Returns the height of the lower edge of a band that ends above a row, or 0 if no band ends
    /// there.
    fn band_end(&self, row: usize) -> f64 {
        if self.bands.iter().any(|band| band.rows.1 + 1 == row) { PADDING } else { 0.0 }
    }

    /// Returns the lower row of an arrow, or 0 if the arrow is within one row.
    fn lower_row(&self, arrow: &Arrow<'_>) -> usize {
        let (from, to) = (self.boxes[arrow.from].row, self.boxes[arrow.to].row);
        if from == to { 0 } else { from.max(to) }
    }

    fn draw_arrow(&self, svg: &mut Svg, at: usize, arrow: &Arrow<'_>) {
        let (from, to) = (self.boxes[arrow.from].rect, self.boxes[arrow.to].rect);
        let lower_row = self.lower_row(arrow);
        if arrow.class == "side" {
            return self.draw_side(svg, arrow.text, (from, to));
        }
        if lower_row == 0 {
            let (x, end) = match from.x < to.x {
                true => (from.right() + 2.0, to.x - 2.0),
                false => (from.x - 2.0, to.right() + 2.0),
            };
            return svg.arrow(arrow.class, &[(x, from.mid_y()), (end, from.mid_y())]);
        }
        // Two arrows between the same boxes are next to each other.
        let opposite = self.arrows.iter().position(|other| {
            other.class != "side" && (other.from, other.to) == (arrow.to, arrow.from)
        });
        let is_left = opposite.is_some_and(|other| at < other);
        let shift = if is_left { -14.0 } else { opposite.map_or(0.0, |_| 14.0) };
        let (left, right) = (from.x.max(to.x), from.right().min(to.right()));
        let (from_x, to_x) = match left < right {
            true => (f64::midpoint(left, right), f64::midpoint(left, right)),
            false => (from.mid_x(), to.mid_x()),
        };
        let (from_x, to_x) = (from_x + shift, to_x + shift);
        let (y, end) = match from.y < to.y {
            true => (from.bottom() + 2.0, to.y - 2.0),
            false => (from.y - 2.0, to.bottom() + 2.0),
        };
        svg.arrow(arrow.class, &[(from_x, y), (to_x, end)]);
        let y = self.rows[lower_row - 2].1 + self.band_end(lower_row) + 5.0;
        match is_left {
            true => svg.texts(from_x.min(to_x) - 8.0, y, "end", &label(arrow)),
            false => svg.texts(from_x.max(to_x) + 8.0, y, "", &label(arrow)),
        };
    }

    fn draw_side(&self, svg: &mut Svg, text: &str, (from, to): (Rect, Rect)) {
        let x = self.right() + PADDING + 12.0;
        // The end of one arrow and the start of the next arrow are beside each other.
        let distance = if from.y > to.y { 7.0 } else { -7.0 };
        let start = (from.right() + 2.0, from.mid_y() - distance);
        let end = (to.right() + 2.0, to.mid_y() + distance);
        svg.arrow("back", &[start, (x, start.1), (x, end.1), end]);
        let lines = wrapped(text, self.gutter - 22.0);
        let y = f64::midpoint(start.1, end.1) - lines.len() as f64 * LINE / 2.0;
        svg.texts(x + 8.0, y, "", &lines);
    }
}

/// Parses `2` or `2-4`.
fn range(source: &Source, line: Line<'_>, text: &str) -> Result<(usize, usize), String> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (from.parse(), to.parse()) {
        (Ok(from @ 1..), Ok(to)) if from <= to => Ok((from, to)),
        _ => {
            let what = format!("`{text}` is not a range");
            Err(source.error(line.number, &what, "write `2` or `2-4`, and count from 1"))
        }
    }
}

/// Returns the lines of an arrow's text. Does not wrap the lines.
fn label(arrow: &Arrow<'_>) -> Vec<String> {
    if arrow.text.is_empty() { Vec::new() } else { wrapped(arrow.text, f64::INFINITY) }
}

fn draw_box(svg: &mut Svg, Cell { look, bold, lines, rect, .. }: &Cell<'_>) {
    svg.rect(look, *rect, 4.0);
    let y = rect.mid_y() - (bold.len() + lines.len()) as f64 * LINE / 2.0 - 1.0;
    let y = svg.texts(rect.mid_x(), y, "mid bold", bold);
    svg.texts(rect.mid_x(), y, "mid", lines);
    if *look == "lost" {
        svg.cross(rect.x + 2.0, rect.y + 2.0, 6.0);
        svg.cross(rect.right() - 2.0, rect.y + 2.0, 6.0);
    }
}
