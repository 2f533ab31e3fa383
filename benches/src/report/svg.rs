//! Draws charts in SVG. A chart contains either lines on logarithmic axes, or bars. The x axis of
//! lines can also be linear.
//!
//! The colors are CSS variables, so that the charts adapt to light mode and dark mode. The name of
//! each line is at the end of the line. No charting crate supports both CSS variables and names at
//! the ends of lines.

use super::escaped;

/// The style sheet of all charts. The page and the chart files contain this style sheet.
pub(super) const STYLE: &str = include_str!("charts.css");

/// The number of colors in [`STYLE`].
const COLORS: usize = 6;

/// The size of a chart and the edges of the plot area, in pixels.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 286.0;
const LEFT: f64 = 92.0;
const RIGHT: f64 = WIDTH - 104.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = HEIGHT - 46.0;

/// The minimum vertical distance, in pixels, between the names of two lines.
const NAME_STEP: f64 = 16.0;

/// The maximum number of points of a line whose points have marks. The marks of more points would
/// overlap.
const MARKS_MAX: usize = 16;

/// The attributes of a text element that is centered and has a soft color.
const MIDDLE: &str = "class=\"soft\" text-anchor=\"middle\"";

pub(super) struct Chart {
    /// The name of the chart's file, without the extension.
    pub name: String,
    title: String,
    height: f64,
    content: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// A sibling. The number is the position of the sibling in `approaches::ALL`.
    Sibling(usize),
    /// A sibling whose line is in the background and has no name.
    Dim,
    /// A server that is not a sibling.
    Reference,
}

pub(super) struct Line {
    pub name: String,
    pub style: Style,
    /// The points of the line, from left to right. All coordinates are positive.
    pub points: Vec<(f64, f64)>,
}

pub(super) struct Lines {
    pub x_title: String,
    /// Indicates whether the x axis is linear.
    pub is_time: bool,
    pub x_ticks: Vec<(f64, String)>,
    pub y_text: fn(f64) -> String,
    /// Additional values that the y axis must include. With these values, several charts have the
    /// same y axis.
    pub y_values: Vec<f64>,
    pub lines: Vec<Line>,
}

/// The name, style and value of a bar.
pub(super) type Bar = (String, Style, f64);

impl Style {
    fn class(self) -> String {
        match self {
            Self::Sibling(index) => format!("c{}", index % COLORS),
            Self::Dim => "dim".to_owned(),
            Self::Reference => "ref".to_owned(),
        }
    }

    /// Returns the mark at a point. The mark is a circle, square, diamond or triangle (with a corner
    /// at the top or at the bottom) for a sibling, and a dash for any other server.
    fn mark(self, x: f64, y: f64) -> String {
        let path = match self {
            Self::Sibling(index) => match index % 5 {
                0 => format!("M{:.1} {y:.1}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0", x - 4.0),
                1 => format!("M{:.1} {:.1}h7v7h-7z", x - 3.5, y - 3.5),
                2 => format!("M{x:.1} {:.1}l5 5l-5 5l-5 -5z", y - 5.0),
                3 => format!("M{x:.1} {:.1}l5 8.5h-10z", y - 5.0),
                _ => format!("M{x:.1} {:.1}l-5 -8.5h10z", y + 5.0),
            },
            _ => format!("M{:.1} {:.1}h8v3h-8z", x - 4.0, y - 1.5),
        };
        format!("<path class=\"{} mark\" d=\"{path}\"/>", self.class())
    }
}

struct Axis {
    /// The values at the two ends of the axis.
    values: [f64; 2],
    /// The positions of the two ends of the axis, in pixels.
    ends: [f64; 2],
    /// Indicates whether the axis is linear instead of logarithmic.
    is_linear: bool,
}

impl Axis {
    fn position(&self, value: f64) -> f64 {
        let scaled = |value: f64| if self.is_linear { value } else { value.ln() };
        let [low, high] = self.values.map(scaled);
        let share = (scaled(value) - low) / (high - low);
        self.ends[0] + share * (self.ends[1] - self.ends[0])
    }
}

impl Lines {
    pub fn draw(&self, name: String, title: String) -> Chart {
        let points = self.lines.iter().flat_map(|line| &line.points).map(|point| point.1);
        let ticks = ticks(points.chain(self.y_values.iter().copied()));
        let values = [ticks[0], ticks[ticks.len() - 1]];
        let y = Axis { values, ends: [BOTTOM, TOP], is_linear: false };
        let [low, high] =
            [self.x_ticks.first(), self.x_ticks.last()].map(|it| it.map_or(1.0, |it| it.0));
        let values = [low, high.max(low * 2.0)];
        let x = Axis { values, ends: [LEFT + 8.0, RIGHT - 4.0], is_linear: self.is_time };

        let mut content = String::new();
        for tick in ticks {
            let position = y.position(tick);
            content += &format!("<path class=\"grid\" d=\"M{LEFT} {position:.1}H{RIGHT}\"/>");
            let end = "class=\"soft\" text-anchor=\"end\"";
            content += &text(end, LEFT - 6.0, position + 4.0, &(self.y_text)(tick));
        }
        for (value, name) in &self.x_ticks {
            content += &text(MIDDLE, x.position(*value), BOTTOM + 17.0, name);
        }
        content += &text(MIDDLE, (LEFT + RIGHT) / 2.0, BOTTOM + 36.0, &self.x_title);
        let (background, lines): (Vec<_>, Vec<_>) =
            self.lines.iter().partition(|line| line.style == Style::Dim);
        for line in background.iter().chain(&lines) {
            content += &line.path(&x, &y);
        }
        content += &names_of(&lines, &x, &y);
        Chart { name, title, height: HEIGHT, content }
    }
}

impl Line {
    fn path(&self, x: &Axis, y: &Axis) -> String {
        let points = self.points.iter().map(|point| (x.position(point.0), y.position(point.1)));
        let points: Vec<(f64, f64)> = points.collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        let class = self.style.class();
        let mut out = format!("<path class=\"line {class}\" d=\"M{}\"/>", path.join("L"));
        if matches!(self.style, Style::Sibling(_)) && points.len() <= MARKS_MAX {
            out.extend(points.iter().map(|&(x, y)| self.style.mark(x, y)));
        }
        out
    }
}

/// Draws the name of each line at the end of the line. The names do not overlap.
fn names_of(lines: &[&Line], x: &Axis, y: &Axis) -> String {
    let mut out = String::new();
    let mut ends = Vec::new();
    for line in lines {
        let Some(&(end_x, end_y)) = line.points.last() else { continue };
        let (end_x, end_y) = (x.position(end_x), y.position(end_y));
        match line.points.len() {
            1 => out += &text("", end_x + 4.0, end_y + 16.0, &line.name),
            _ => ends.push((end_x, end_y, line)),
        }
    }
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    let ideal: Vec<f64> = ends.iter().map(|end| end.1).collect();
    for ((end_x, end_y, line), place) in ends.into_iter().zip(apart(&ideal, TOP + 4.0, BOTTOM)) {
        if (place - end_y).abs() > 2.0 || end_x < RIGHT - 10.0 {
            let (from, to) = (end_x + 5.0, RIGHT + 4.0);
            let path = format!("M{from:.1} {end_y:.1}L{to:.1} {place:.1}");
            out += &format!("<path class=\"leader\" d=\"{path}\"/>");
        }
        out += &line.style.mark(RIGHT + 9.0, place);
        out += &text("", RIGHT + 17.0, place + 4.0, &line.name);
    }
    out
}

/// Draws a chart of horizontal bars.
pub(super) fn bars(name: String, title: String, text_of: fn(f64) -> String, bars: &[Bar]) -> Chart {
    const STEP: f64 = 24.0;
    const NAMES: f64 = 152.0;
    const VALUES: f64 = 80.0;
    let max = bars.iter().map(|bar| bar.2).fold(f64::MIN_POSITIVE, f64::max);
    let mut content = String::new();
    for (index, (name, style, value)) in bars.iter().enumerate() {
        let y = TOP + index as f64 * STEP;
        let width = (value / max * (WIDTH - NAMES - VALUES)).max(1.0);
        let path = format!("M{NAMES} {y:.1}h{width:.1}v14h-{width:.1}z");
        content += &text("text-anchor=\"end\"", NAMES - 8.0, y + 11.0, name);
        content += &format!("<path class=\"{} mark\" d=\"{path}\"/>", style.class());
        content += &text("", NAMES + width + 6.0, y + 11.0, &text_of(*value));
    }
    Chart { name, title, height: TOP + bars.len() as f64 * STEP + 6.0, content }
}

fn text(attributes: &str, x: f64, y: f64, content: &str) -> String {
    let space = if attributes.is_empty() { "" } else { " " };
    let content = escaped(content);
    format!("<text{space}{attributes} x=\"{x:.1}\" y=\"{y:.1}\">{content}</text>")
}

/// Moves positions that are too close to each other. The order of the positions does not change.
/// The new positions are between `top` and `bottom`.
fn apart(ideal: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    let mut places = ideal.to_vec();
    let mut min = top;
    for place in &mut places {
        *place = place.max(min);
        min = *place + NAME_STEP;
    }
    let mut max = bottom;
    for place in places.iter_mut().rev() {
        *place = place.min(max);
        max = *place - NAME_STEP;
    }
    places
}

/// Returns round numbers for an axis. The first number is smaller than all values, and the last
/// number is larger than all values. The round numbers are powers of ten. If the values span at
/// most two decades, the round numbers also include 2 times and 5 times each power.
fn ticks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let positive = values.filter(|value| *value > 0.0);
    let extremes = |(low, high), value| (f64::min(low, value), f64::max(high, value));
    let (low, high) = positive.fold((f64::MAX, 0.0), extremes);
    if high == 0.0 {
        return vec![1.0, 10.0];
    }
    let steps: &[f64] = if high / low > 100.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let decades = low.log10().floor() as i32 - 1..=high.log10().ceil() as i32 + 1;
    let ticks = decades.flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
    let ticks: Vec<f64> = ticks.collect();
    // The factors leave a margin between the lines and the edges of the chart.
    let first = ticks.iter().rposition(|tick| *tick <= low * 0.97).unwrap_or(0);
    let last = ticks.iter().position(|tick| *tick >= high * 1.03).unwrap_or(ticks.len() - 1);
    ticks[first..=last].to_vec()
}

impl Chart {
    /// Returns the SVG element for the page. This element does not contain the style sheet, because
    /// the page already contains the style sheet.
    pub fn inline(&self) -> String {
        self.svg("", "")
    }

    /// Returns the content of the chart's file. The file contains the style sheet.
    pub fn file(&self) -> String {
        let background = format!(
            "<style>{STYLE}</style>\
             <rect width=\"{WIDTH}\" height=\"{}\" style=\"fill:var(--paper)\"/>",
            self.height
        );
        self.svg(" xmlns=\"http://www.w3.org/2000/svg\"", &background) + "\n"
    }

    fn svg(&self, attributes: &str, background: &str) -> String {
        let Self { height, content, .. } = self;
        let title = escaped(&self.title);
        let heading = text("class=\"title\"", 2.0, 17.0, &self.title);
        format!(
            "<svg{attributes} viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
             aria-label=\"{title}\">{background}{heading}{content}</svg>"
        )
    }
}
