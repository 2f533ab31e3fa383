//! Drawing: one SVG that brings its own colours, light and dark, and asks for nothing from outside.

use std::fmt::{self, Write};

/// How wide pictures are, in pixels: on a telephone they shrink to 400, where text of 14 has 11.7.
pub const WIDTH: f64 = 480.0;

/// The size of text, in pixels.
pub const TEXT: f64 = 14.0;

/// From one line of text to the next, in pixels.
pub const LINE: f64 = 18.0;

/// Left and right of everything, in pixels.
pub const MARGIN: f64 = 10.0;

/// The colours of the benchmarks' pages: blue, orange, green, purple are told apart by all eyes.
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
.grain{stroke:var(--ink);stroke-width:1}.shade{fill:var(--grid)}\
.tip{fill:var(--ink)}.tip-back{fill:var(--c3)}.tip-bad{fill:var(--c1)}\
.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}\
.half{fill-opacity:.45}.dot{fill:var(--paper);stroke:var(--ink);stroke-width:1.5}";

/// A picture that is being drawn.
#[derive(Debug)]
pub struct Svg {
    title: String,
    description: String,
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
    /// A picture with its title, and in words what it shows.
    pub fn new(title: &str, description: &str) -> Self {
        let mut svg = Self {
            title: title.to_owned(),
            description: description.to_owned(),
            body: String::new(),
        };
        svg.text(MARGIN, 24.0, "title", title);
        svg
    }

    pub fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let (x, y, text) = (N(x), N(y), escaped(text));
        self.push(format_args!(r#"<text class="{class}" x="{x}" y="{y}">{text}</text>"#));
    }

    /// Lines of text, the first with its middle half a line below `y`; returns where they end.
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

    /// A line with a tip at its end.
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

    /// A cross: what was to come here does not.
    pub fn cross(&mut self, x: f64, y: f64, size: f64) {
        self.line("bad", &[(x - size, y - size), (x + size, y + size)]);
        self.line("bad", &[(x - size, y + size), (x + size, y - size)]);
    }

    pub fn circle(&mut self, class: &str, x: f64, y: f64, radius: f64) {
        let (x, y, radius) = (N(x), N(y), N(radius));
        self.push(format_args!(r#"<circle class="{class}" cx="{x}" cy="{y}" r="{radius}"/>"#));
    }

    /// The file's text; a picture of this height.
    pub fn finish(self, height: f64) -> String {
        let Self { title, description, body } = self;
        let (title, description) = (escaped(&title), escaped(&description));
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

/// Text in lines that are no wider than so many pixels; ` | ` begins a new one.
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

/// How wide text is at most, in pixels: as in DejaVu Sans, which is wider than what most systems
/// have.
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

/// [`width_of`] in a heavier hand.
pub fn bold_width_of(text: &str) -> f64 {
    width_of(text) * 1.12
}

/// [`width_of`] where all letters are as wide as each other, and a little smaller.
pub fn code_width_of(text: &str) -> f64 {
    text.chars().count() as f64 * 8.0
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A number with one decimal at most, so that all machines write the same.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let written: Vec<String> = [0.0, 1.0, -0.04, -0.25, 12.34].map(|n| N(n).to_string()).into();
        assert_eq!(written, ["0", "1", "0", "-0.3", "12.3"]);
    }

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrapped("one two | three", 1000.0), ["one two", "three"]);
        let lines = wrapped("the send buffer is full, so write waits", 120.0);
        assert!(lines.len() > 1 && lines.iter().all(|line| width_of(line) <= 120.0), "{lines:?}");
        assert_eq!(wrapped("unbreakable", 1.0), ["unbreakable"]);
    }

    #[test]
    fn a_picture_stands_alone_and_speaks() {
        let mut svg = Svg::new("A & B", "How A < B");
        svg.arrow("wire", &[(0.0, 0.0), (10.0, 0.0)]);
        let svg = svg.finish(50.0);
        assert!(svg.contains("<title id=\"t\">A &amp; B</title>"));
        assert!(svg.contains("<desc id=\"d\">How A &lt; B</desc>"));
        assert!(svg.contains("prefers-color-scheme:dark"));
        assert!(svg.contains("viewBox=\"0 0 480 50\""));
        let outside = svg.matches("http").count();
        assert_eq!(outside, 1, "only the name of SVG itself: {svg}");
    }
}
