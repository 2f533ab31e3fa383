//! Writes SVG that has colors for light and dark mode and does not use external files.

use std::fmt::{self, Write};

/// The width of pictures, in pixels. On a screen that is 400 pixels wide, text of 14 pixels shrinks
/// to 11.7 pixels.
pub const WIDTH: f64 = 480.0;

/// The size of text, in pixels.
pub const TEXT: f64 = 14.0;

/// The distance between lines of text, in pixels.
pub const LINE: f64 = 18.0;

/// The distance from the left and right edges, in pixels.
pub const MARGIN: f64 = 10.0;

/// The style sheet. People with color blindness can distinguish its colors, which the pages of the
/// benchmarks also use.
const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1d2329;--soft:#5b6670;--grid:#dfe3e7;--paper:#fff;\
--band:#f2f4f6;--c0:#0072b2;--c1:#c44e00;--c2:#00815c;--c3:#a8508a}\
@media (prefers-color-scheme:dark){:root{--ink:#e8ebee;--soft:#a5afb8;--grid:#31383f;--paper:#14181c;\
--band:#1e242a;--c0:#56b4e9;--c1:#f0803c;--c2:#2fc79b;--c3:#e090c0}}\
text{font:14px system-ui,sans-serif;fill:var(--ink)}\
.title{font-weight:600;font-size:16px}.bold{font-weight:600}.soft{fill:var(--soft)}\
.code{font:13px ui-monospace,monospace}.mid{text-anchor:middle}.end{text-anchor:end}\
.alarm{fill:var(--c1);font-weight:600}\
.name{fill:var(--soft);paint-order:stroke;stroke:var(--band);stroke-width:4px}\
.paper{fill:var(--paper)}.band{fill:var(--band)}\
.box{fill:var(--paper);stroke:var(--soft);stroke-width:1.5}\
.full{fill:var(--c0);fill-opacity:.16;stroke:var(--c0);stroke-width:1.5}\
.kept{fill:var(--c2);fill-opacity:.14;stroke:var(--c2);stroke-width:1.5}\
.lost{fill:var(--paper);stroke:var(--c1);stroke-width:1.5;stroke-dasharray:5 4}\
.faint{fill:none;stroke:var(--soft);stroke-dasharray:2 4}\
.wire{fill:none;stroke:var(--ink);stroke-width:1.5}\
.back{fill:none;stroke:var(--c3);stroke-width:1.5;stroke-dasharray:6 3}\
.bad{fill:none;stroke:var(--c1);stroke-width:2}\
.life{stroke:var(--grid);stroke-width:2}.grid{stroke:var(--grid)}\
.tip{fill:var(--ink)}.tip-back{fill:var(--c3)}.tip-bad{fill:var(--c1)}";

/// The elements of a picture.
#[derive(Debug, Default)]
pub struct Svg {
    body: String,
}

/// A rectangle, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Rect {
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }

    pub fn mid_x(&self) -> f64 {
        self.x + self.width / 2.0
    }

    pub fn mid_y(&self) -> f64 {
        self.y + self.height / 2.0
    }
}

impl Svg {
    pub fn titled(title: &str) -> Self {
        let mut svg = Self::default();
        svg.text(MARGIN, 24.0, "title", title);
        svg
    }

    /// Adds a style sheet or patterns, which the elements after them can use.
    pub fn define(&mut self, definitions: &str) {
        self.body.push_str(definitions);
    }

    pub fn append(&mut self, other: Self) {
        self.body.push_str(&other.body);
    }

    pub fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let (x, y, text) = (N(x), N(y), escaped(text));
        self.push(format_args!(r#"<text class="{class}" x="{x}" y="{y}">{text}</text>"#));
    }

    /// Draws lines of text below `y`. Returns the bottom of the text.
    pub fn texts(&mut self, x: f64, y: f64, class: &str, lines: &[String]) -> f64 {
        let mut y = y;
        for line in lines {
            self.text(x, y + TEXT, class, line);
            y += LINE;
        }
        y
    }

    pub fn rect(&mut self, class: &str, rect: Rect, radius: f64) {
        let (x, y, radius) = (N(rect.x), N(rect.y), N(radius));
        let (width, height) = (N(rect.width), N(rect.height));
        self.push(format_args!(
            r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}"/>"#
        ));
    }

    pub fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (at, (x, y)) in points.iter().enumerate() {
            let command = if at == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{} {}", N(*x), N(*y));
        }
        self.push(format_args!(r#"<path class="{class}" d="{path}"/>"#));
    }

    /// Fills areas. Each area is a list of points that are connected by horizontal and vertical lines.
    pub fn areas(&mut self, class: &str, areas: &[Vec<(f64, f64)>]) {
        let mut path = String::new();
        for area in areas {
            let mut last = None;
            for (x, y) in area.iter().map(|(x, y)| (N(*x).to_string(), N(*y).to_string())) {
                let _ = match &last {
                    None => write!(path, "M{x} {y}"),
                    Some((last_x, last_y)) if *last_x == x && *last_y == y => Ok(()),
                    Some((_, last_y)) if *last_y == y => write!(path, "H{x}"),
                    Some((last_x, _)) if *last_x == x => write!(path, "V{y}"),
                    Some(_) => write!(path, "L{x} {y}"),
                };
                last = Some((x, y));
            }
        }
        self.push(format_args!(r#"<path class="{class}" d="{path}"/>"#));
    }

    /// Draws a line with an arrowhead at its end.
    pub fn arrow(&mut self, class: &str, points: &[(f64, f64)]) {
        self.line(class, points);
        let [.., from, to] = points else { return };
        let (x, y) = (to.0 - from.0, to.1 - from.1);
        let length = x.hypot(y).max(1.0);
        let (x, y) = (x / length, y / length);
        let back = |along: f64, across: f64| {
            (N(to.0 - x * along - y * across), N(to.1 - y * along + x * across))
        };
        let ((ax, ay), (bx, by)) = (back(9.0, 4.5), back(9.0, -4.5));
        let (tx, ty) = (N(to.0), N(to.1));
        let tip = match class {
            "back" => "tip-back",
            "bad" => "tip-bad",
            _ => "tip",
        };
        self.push(format_args!(r#"<path class="{tip}" d="M{tx} {ty}L{ax} {ay}L{bx} {by}z"/>"#));
    }

    pub fn cross(&mut self, x: f64, y: f64, size: f64) {
        self.line("bad", &[(x - size, y - size), (x + size, y + size)]);
        self.line("bad", &[(x - size, y + size), (x + size, y - size)]);
    }

    /// Returns the content of the SVG file. The description is for readers who cannot see the
    /// picture.
    pub fn finish(self, title: &str, description: &str, height: f64) -> String {
        let (title, description, body) = (escaped(title), escaped(description), self.body);
        let (width, height) = (N(WIDTH), N(height.ceil()));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"t d\">\n\
             <title id=\"t\">{title}</title>\n<desc id=\"d\">{description}</desc>\n\
             <style>{STYLE}</style>\n\
             <rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n{body}</svg>\n"
        )
    }

    fn push(&mut self, element: fmt::Arguments<'_>) {
        let _ = writeln!(self.body, "{element}");
    }
}

/// Splits text into lines of at most this width in pixels. ` | ` starts a new line.
pub fn wrapped(text: &str, width: f64) -> Vec<String> {
    let mut lines = Vec::new();
    for part in text.split(" | ") {
        let mut line = String::new();
        for word in part.split_whitespace() {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if width_of(&longer) > width && !line.is_empty() {
                lines.push(std::mem::replace(&mut line, word.to_owned()));
            } else {
                line = longer;
            }
        }
        lines.push(line);
    }
    lines
}

/// Returns the maximum width of text, in pixels. This is the width in DejaVu Sans, the widest
/// common font.
pub fn width_of(text: &str) -> f64 {
    let em = |char: char| match char {
        'i' | 'j' | 'l' | '\'' | '.' | ',' | ':' | ';' | '|' | ' ' => 0.32,
        'f' | 't' | 'r' | 'I' | '(' | ')' | '/' | '-' => 0.41,
        'm' | 'w' | 'M' | 'W' | '…' | '→' => 0.95,
        'A'..='Z' | '0'..='9' => 0.68,
        _ => 0.61,
    };
    text.chars().map(em).sum::<f64>() * TEXT
}

/// Returns the maximum width of bold text, in pixels.
pub fn bold_width_of(text: &str) -> f64 {
    width_of(text) * 1.12
}

/// Returns the maximum width of monospaced text, in pixels.
pub fn code_width_of(text: &str) -> f64 {
    text.chars().count() as f64 * 8.0
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A number that is formatted with at most one decimal. The format is the same on all machines.
struct N(f64);

impl fmt::Display for N {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() as i64;
        let sign = if tenths < 0 { "-" } else { "" };
        match (tenths.abs() / 10, tenths.abs() % 10) {
            (whole, 0) => write!(f, "{sign}{whole}"),
            (whole, tenth) => write!(f, "{sign}{whole}.{tenth}"),
        }
    }
}
