//! Drawings: lines on logarithmic axes, and bars.
//!
//! By hand, since colours have to be CSS classes (for light and dark) and lines bear their names at
//! their ends; of the crates that draw, none does both.

use std::fmt::Write;

use super::escaped;

/// What all drawings look like, inside the page and alone. The hues are Okabe and Ito's, which people
/// tell apart who do not see all colours; shapes differ, too.
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1d2329;--soft:#5b6670;--grid:#dfe3e7;--dim:#c3c9cf;\
--paper:#fff;--c0:#0072b2;--c1:#c44e00;--c2:#00815c;--c3:#a8508a;--c4:#7a6400;--c5:#2b2b2b}\
@media (prefers-color-scheme:dark){:root{--ink:#e8ebee;--soft:#a5afb8;--grid:#31383f;--dim:#4c555e;\
--paper:#14181c;--c0:#56b4e9;--c1:#f0803c;--c2:#2fc79b;--c3:#e090c0;--c4:#f0e442;--c5:#fff}}\
svg text{font:13.5px system-ui,sans-serif;fill:var(--ink)}\
svg .title{font-weight:600;font-size:15px}svg .soft{fill:var(--soft)}\
svg .grid{stroke:var(--grid);stroke-width:1}svg .line{fill:none;stroke-width:2}\
svg .leader{stroke:var(--dim);stroke-width:1;fill:none}\
svg .dim{stroke:var(--dim)}svg .dim.mark{fill:var(--dim);stroke:none}\
svg .ref{stroke:var(--soft);stroke-dasharray:5 4}svg .ref.mark{fill:var(--soft);stroke:none}\
svg .c0{stroke:var(--c0)}svg .c1{stroke:var(--c1)}svg .c2{stroke:var(--c2)}\
svg .c3{stroke:var(--c3)}svg .c4{stroke:var(--c4)}svg .c5{stroke:var(--c5)}\
svg .mark{stroke:none}svg .c0.mark{fill:var(--c0)}svg .c1.mark{fill:var(--c1)}\
svg .c2.mark{fill:var(--c2)}svg .c3.mark{fill:var(--c3)}svg .c4.mark{fill:var(--c4)}\
svg .c5.mark{fill:var(--c5)}";

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 286.0;
const LEFT: f64 = 92.0;
const RIGHT: f64 = WIDTH - 104.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = HEIGHT - 46.0;

/// Between two names at the ends of lines.
const NAME_STEP: f64 = 16.0;

/// One drawing, ready.
#[derive(Clone, Debug)]
pub(super) struct Drawing {
    /// The file's name without its ending.
    pub file: String,
    /// What it shows, in words.
    pub title: String,
    height: f64,
    inside: String,
}

/// What a line or a bar looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// One of the kit's, by its place in the table.
    Sibling(usize),
    /// There for comparison, without a name.
    Dim,
    /// What is no sibling: a floor, Node.
    Reference,
}

impl Look {
    fn class(self) -> String {
        match self {
            Self::Sibling(at) => format!("c{}", at % 6),
            Self::Dim => "dim".to_owned(),
            Self::Reference => "ref".to_owned(),
        }
    }
}

/// A line.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// Stands at its end, unless it is dim.
    pub name: String,
    pub look: Look,
    /// All above zero.
    pub points: Vec<(f64, f64)>,
}

/// Lines on logarithmic axes.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    pub file: String,
    pub title: String,
    pub x_title: &'static str,
    pub x_ticks: Vec<(f64, String)>,
    pub y_text: fn(f64) -> String,
    /// Further values that have to fit: panels that are compared share their axis.
    pub y_values: Vec<f64>,
    pub series: Vec<Series>,
}

/// A logarithmic axis between two ticks.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn at(&self, value: f64) -> f64 {
        let share = (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln());
        self.from + share * (self.to - self.from)
    }
}

impl Lines {
    pub fn draw(&self) -> Drawing {
        let mut out = String::new();
        let ys = self.series.iter().flat_map(|series| series.points.iter().map(|point| point.1));
        let ticks = ticks(ys.chain(self.y_values.iter().copied()));
        let (low, high) = (ticks[0], ticks[ticks.len() - 1]);
        let y = Axis { low, high, from: BOTTOM, to: TOP };
        let xs = || self.x_ticks.iter().map(|tick| tick.0);
        let (low, high) = (xs().fold(f64::MAX, f64::min), xs().fold(f64::MIN, f64::max));
        let x = Axis { low, high: high.max(low * 2.0), from: LEFT + 8.0, to: RIGHT - 4.0 };
        for tick in ticks {
            let at = y.at(tick);
            put(
                &mut out,
                format_args!(
                    "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>\
                 <text class=\"soft\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                    LEFT - 6.0,
                    at + 4.0,
                    (self.y_text)(tick)
                ),
            );
        }
        for (value, text) in &self.x_ticks {
            put(
                &mut out,
                format_args!(
                    "<text class=\"soft\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{text}</text>",
                    x.at(*value),
                    BOTTOM + 17.0
                ),
            );
        }
        put(
            &mut out,
            format_args!(
                "<text class=\"soft\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                (LEFT + RIGHT) / 2.0,
                BOTTOM + 36.0,
                self.x_title
            ),
        );
        // What is dim lies below the rest.
        let is_dim = |series: &&Series| series.look == Look::Dim;
        for series in self.series.iter().filter(is_dim) {
            line(&mut out, series, &x, &y);
        }
        for series in self.series.iter().filter(|series| !is_dim(series)) {
            line(&mut out, series, &x, &y);
        }
        self.names(&mut out, &x, &y);
        drawing(&self.file, &self.title, HEIGHT, out)
    }

    /// Each line's name at its end, and none over another.
    fn names(&self, out: &mut String, x: &Axis, y: &Axis) {
        let named = self.series.iter().filter(|series| series.look != Look::Dim);
        // A single point has its name beside it.
        let (points, lines): (Vec<&Series>, Vec<&Series>) =
            named.partition(|series| series.points.len() == 1);
        for series in points {
            let (at_x, at_y) = (x.at(series.points[0].0), y.at(series.points[0].1));
            put(
                out,
                format_args!(
                    "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                    at_x + 4.0,
                    at_y + 16.0,
                    escaped(&series.name)
                ),
            );
        }
        let ends = lines.into_iter().filter_map(|series| Some((series, *series.points.last()?)));
        let mut names: Vec<(f64, f64, &Series)> =
            ends.map(|(series, end)| (x.at(end.0), y.at(end.1), series)).collect();
        names.sort_by(|one, other| one.1.total_cmp(&other.1));
        let ideal: Vec<f64> = names.iter().map(|name| name.1).collect();
        let places = apart(&ideal, TOP + 4.0, BOTTOM);
        for ((end_x, end_y, series), place) in names.into_iter().zip(places) {
            let class = series.look.class();
            if (place - end_y).abs() > 2.0 || end_x < RIGHT - 10.0 {
                put(
                    out,
                    format_args!(
                        "<path class=\"leader\" d=\"M{:.1} {end_y:.1}L{:.1} {place:.1}\"/>",
                        end_x + 5.0,
                        RIGHT + 4.0
                    ),
                );
            }
            mark(out, series.look, &class, RIGHT + 9.0, place);
            put(
                out,
                format_args!(
                    "<text x=\"{}\" y=\"{:.1}\">{}</text>",
                    RIGHT + 17.0,
                    place + 4.0,
                    escaped(&series.name)
                ),
            );
        }
    }
}

fn line(out: &mut String, series: &Series, x: &Axis, y: &Axis) {
    let class = series.look.class();
    let mut path = String::new();
    for (index, &(at_x, at_y)) in series.points.iter().enumerate() {
        let letter = if index == 0 { 'M' } else { 'L' };
        put(&mut path, format_args!("{letter}{:.1} {:.1}", x.at(at_x), y.at(at_y)));
    }
    put(out, format_args!("<path class=\"line {class}\" d=\"{path}\"/>"));
    if let Look::Sibling(_) = series.look {
        for &(at_x, at_y) in &series.points {
            mark(out, series.look, &class, x.at(at_x), y.at(at_y));
        }
    }
}

/// Circle, square, diamond, triangle: by place in the table.
fn mark(out: &mut String, look: Look, class: &str, x: f64, y: f64) {
    let path = match look {
        Look::Sibling(at) => match at % 4 {
            0 => format!("M{:.1} {y:.1}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0", x - 4.0),
            1 => format!("M{:.1} {:.1}h7v7h-7z", x - 3.5, y - 3.5),
            2 => format!("M{x:.1} {:.1}l5 5l-5 5l-5 -5z", y - 5.0),
            _ => format!("M{x:.1} {:.1}l5 8.5h-10z", y - 5.0),
        },
        _ => format!("M{:.1} {:.1}h8v3h-8z", x - 4.0, y - 1.5),
    };
    put(out, format_args!("<path class=\"{class} mark\" d=\"{path}\"/>"));
}

/// Moves what is too near to one another apart, in order, and keeps all between two ends.
fn apart(ideal: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    let mut places = ideal.to_vec();
    let mut least = top;
    for place in &mut places {
        *place = place.max(least);
        least = *place + NAME_STEP;
    }
    let mut most = bottom;
    for place in places.iter_mut().rev() {
        *place = place.min(most);
        most = *place - NAME_STEP;
    }
    places
}

/// Round values for an axis that holds all these: powers of ten, or 1, 2, 5 where those are too few.
fn ticks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let values = values.filter(|value| *value > 0.0 && value.is_finite());
    let (low, high) =
        values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return vec![1.0, 10.0];
    }
    let steps: &[f64] = if high / low > 100.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let decades = low.log10().floor() as i32 - 1..=high.log10().ceil() as i32 + 1;
    let all: Vec<f64> = decades
        .flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)))
        .collect();
    // A little more than all of it, so that no line runs along the edge.
    let first = all.iter().rposition(|tick| *tick <= low * 0.97).unwrap_or(0);
    let last = all.iter().position(|tick| *tick >= high * 1.03).unwrap_or(all.len() - 1);
    all[first..=last].to_vec()
}

/// Bars from zero, one below another.
#[derive(Clone, Debug)]
pub(super) struct Bars {
    pub file: String,
    pub title: String,
    pub text: fn(f64) -> String,
    /// Name, look, value; with the low and the high end of where it lies, if known.
    pub bars: Vec<(String, Look, f64)>,
}

impl Bars {
    pub fn draw(&self) -> Drawing {
        const STEP: f64 = 24.0;
        const NAMES: f64 = 152.0;
        const VALUES: f64 = 80.0;
        let mut out = String::new();
        let most = self.bars.iter().map(|bar| bar.2).fold(0.0, f64::max);
        for (index, (name, look, value)) in self.bars.iter().enumerate() {
            let y = TOP + index as f64 * STEP;
            let width = if most > 0.0 { value / most * (WIDTH - NAMES - VALUES) } else { 0.0 };
            put(
                &mut out,
                format_args!(
                    "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
                 <path class=\"{} mark\" d=\"M{NAMES} {y:.1}h{:.1}v14h-{:.1}z\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                    NAMES - 8.0,
                    y + 11.0,
                    escaped(name),
                    look.class(),
                    width.max(1.0),
                    width.max(1.0),
                    NAMES + width + 6.0,
                    y + 11.0,
                    (self.text)(*value)
                ),
            );
        }
        let height = TOP + self.bars.len() as f64 * STEP + 6.0;
        drawing(&self.file, &self.title, height, out)
    }
}

fn drawing(file: &str, title: &str, height: f64, inside: String) -> Drawing {
    let title_text = format!("<text class=\"title\" x=\"2\" y=\"17\">{}</text>", escaped(title));
    Drawing { file: file.to_owned(), title: title.to_owned(), height, inside: title_text + &inside }
}

impl Drawing {
    /// As it stands in the page, which has the style.
    pub fn inline(&self) -> String {
        self.svg("", "")
    }

    /// As a file.
    pub fn standalone(&self) -> String {
        let style = format!("<style>{STYLE}</style>");
        let paper = format!(
            "{style}<rect width=\"{WIDTH}\" height=\"{}\" style=\"fill:var(--paper)\"/>",
            self.height
        );
        self.svg(" xmlns=\"http://www.w3.org/2000/svg\"", &paper) + "\n"
    }

    fn svg(&self, attributes: &str, before: &str) -> String {
        format!(
            "<svg{attributes} viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\">{before}{}</svg>",
            self.height,
            escaped(&self.title),
            self.inside
        )
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String takes all");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_all() {
        assert_eq!(ticks([3.0, 4000.0].into_iter()), [1.0, 10.0, 100.0, 1000.0, 10_000.0]);
        assert_eq!(ticks([3.0, 12.0].into_iter()), [2.0, 5.0, 10.0, 20.0]);
        assert_eq!(ticks([0.0].into_iter()), [1.0, 10.0]);
        assert!(ticks([1.0, 1.0].into_iter()).len() >= 2);
    }

    #[test]
    fn names_keep_apart_and_inside() {
        assert_eq!(apart(&[10.0, 12.0, 80.0], 0.0, 100.0), [10.0, 26.0, 80.0]);
        assert_eq!(apart(&[95.0, 99.0], 0.0, 100.0), [84.0, 100.0]);
    }

    #[test]
    fn lines_have_names_and_marks() {
        let series = |name: &str, look| Series {
            name: name.to_owned(),
            look,
            points: vec![(1.0, 10.0), (100.0, 1000.0)],
        };
        let lines = Lines {
            file: "f".to_owned(),
            title: "A <b>".to_owned(),
            x_title: "bytes",
            x_ticks: vec![(1.0, "1".to_owned()), (100.0, "100".to_owned())],
            y_text: |value| value.to_string(),
            y_values: vec![1e6],
            series: vec![
                series("tokio", Look::Sibling(1)),
                series("hidden", Look::Dim),
                series("Node", Look::Reference),
            ],
        };
        let drawing = lines.draw();
        let svg = drawing.standalone();
        assert!(svg.contains(">tokio<") && svg.contains(">Node<") && !svg.contains("hidden"));
        assert!(svg.contains("A &lt;b&gt;") && svg.contains("prefers-color-scheme"));
        assert!(svg.contains(">1000000<"), "{svg}");
        assert_eq!(svg.matches("<path class=\"line").count(), 3);
        assert!(!drawing.inline().contains("xmlns"));
    }
}
