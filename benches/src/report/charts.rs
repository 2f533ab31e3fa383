//! Creates the sections of the page, and the charts of each section. The file `charts.toml`
//! describes the sections and the charts.

use std::collections::BTreeMap;

use harness::record::Record;
use harness::text;
use serde::Deserialize;

use crate::records::parts;

use super::svg::{Bar, Chart, Line, Lines, Style, bars};

/// A section of the page.
#[derive(Deserialize)]
pub(super) struct Section {
    pub title: String,
    /// The text above the charts, in HTML.
    pub text: String,
    chart: Vec<ChartTemplate>,
    #[serde(skip)]
    pub charts: Vec<Chart>,
}

#[derive(Deserialize)]
struct ChartTemplate {
    name: String,
    title: String,
    kind: Kind,
    id: String,
    #[serde(default)]
    x_title: String,
    unit: Unit,
    #[serde(default)]
    references: Vec<(String, String)>,
    same_axis: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Lines,
    Focus,
    Bars,
    Time,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    Number,
    BytesPerS,
    Ns,
    S,
    Kib,
    Mib,
    Gb,
}

/// Returns the sections for which the record has values.
pub(super) fn sections(record: &Record) -> Vec<Section> {
    let page: Result<BTreeMap<String, Vec<Section>>, _> =
        toml::from_str(include_str!("charts.toml"));
    let mut sections: Vec<Section> =
        page.expect("charts.toml is valid").into_values().flatten().collect();
    for section in &mut sections {
        section.charts = section.chart.iter().flat_map(|chart| chart.draw(record)).collect();
        for (_, name) in siblings() {
            let cost = cost_of_pool(record, name);
            section.text = section.text.replace(&format!("{{{name}}}"), &cost);
        }
    }
    sections.retain(|section| !section.charts.is_empty());
    sections
}

/// Describes the times that a sibling needs per byte with the blocking pool and without the
/// blocking pool.
fn cost_of_pool(record: &Record, name: &str) -> String {
    let us = |name: &str| Some(1e6 / record.value(&format!("suites/chunk_size/{name}/1B/per_s"))?);
    match (us(&format!("{name}-by-pool")), us(name)) {
        (Some(pool), Some(cached)) => format!("{pool:.0} µs per byte instead of {cached:.1} µs"),
        _ => "an amount of time that was not measured".to_owned(),
    }
}

fn siblings() -> impl Iterator<Item = (usize, &'static str)> {
    approaches::ALL.iter().map(|approach| approach.name).enumerate()
}

fn style_of(server: &str) -> Style {
    let name = server.strip_suffix("-zero-copy").unwrap_or(server);
    match siblings().find(|(_, sibling)| *sibling == name) {
        Some((index, _)) => Style::Sibling(index),
        None => Style::Reference,
    }
}

/// Returns all values whose ids match a pattern. Each pair contains the part of the id that `*`
/// stands for, and the value.
fn values(record: &Record, id: &str) -> Vec<(String, f64)> {
    let value = |text: &str| Some((text.to_owned(), record.value(&id.replace('*', text))?));
    let mut id_parts = id.split('/').enumerate();
    let Some((index, part)) = id_parts.find(|(_, part)| part.contains('*')) else {
        return value("").into_iter().collect();
    };
    let Some(run) = id.split('/').next().and_then(|program| record.run(program)) else {
        return Vec::new();
    };
    let prefix = part.trim_end_matches('*');
    // The first part of a pattern is the name of the program. The id of a measurement does not
    // contain this name.
    let texts = parts(run, |id| id.split('/').nth(index - 1)?.strip_prefix(prefix));
    texts.into_iter().filter_map(value).collect()
}

impl ChartTemplate {
    fn draw(&self, record: &Record) -> Vec<Chart> {
        match self.kind {
            Kind::Bars => self.bars(record).into_iter().collect(),
            Kind::Lines => self.lines(record, None).into_iter().collect(),
            Kind::Time => self.time(record).into_iter().collect(),
            Kind::Focus => {
                siblings().filter_map(|sibling| self.lines(record, Some(sibling))).collect()
            }
        }
    }

    fn bars(&self, record: &Record) -> Option<Chart> {
        let mut values: Vec<Bar> = values(record, &self.id)
            .into_iter()
            .map(|(server, value)| (server.clone(), style_of(&server), value))
            .collect();
        values.sort_by(|a, b| b.2.total_cmp(&a.2));
        let (name, title) = (self.name.clone(), self.title.clone());
        (!values.is_empty()).then(|| bars(name, title, self.unit.text(), &values))
    }

    /// Draws the lines of all siblings. If `focus` contains a sibling, only the line of this
    /// sibling has a color.
    fn lines(&self, record: &Record, focus: Option<(usize, &str)>) -> Option<Chart> {
        let mut lines = Vec::new();
        let mut ticks = BTreeMap::new();
        for (index, name) in siblings() {
            let points = points(record, &self.id.replace("{}", name));
            ticks.extend(points.iter().map(|(x, text, _)| (*x, tick_text(text))));
            let is_dim = focus.is_some_and(|focus| focus.0 != index);
            let style = if is_dim { Style::Dim } else { Style::Sibling(index) };
            lines.push(line(name, style, points));
        }
        if lines.iter().all(|line| line.style == Style::Dim || line.points.is_empty()) {
            return None;
        }
        let named = |text: &str| text.replace("{}", focus.map_or("", |focus| focus.1));
        let ends = [ticks.first_key_value(), ticks.last_key_value()];
        for (name, id) in &self.references {
            let style = match focus {
                Some((index, _)) if id.contains("{}") => Style::Sibling(index),
                _ => Style::Reference,
            };
            let points = match id.contains('*') {
                true => points(record, &named(id)),
                false => {
                    let ends = ends.into_iter().flatten();
                    ends.filter_map(|(x, text)| Some((*x, text.clone(), record.value(id)?)))
                        .collect()
                }
            };
            lines.push(line(name, style, points));
        }
        lines.retain(|line| !line.points.is_empty());
        let lines = Lines {
            x_title: self.x_title.clone(),
            is_time: false,
            x_ticks: ticks.into_iter().map(|(x, text)| (x as f64, text)).collect(),
            y_text: self.unit.text(),
            y_values: self.y_values(record),
            lines,
        };
        Some(lines.draw(named(&self.name), named(&self.title)))
    }

    /// Draws the series of all siblings over the time in minutes.
    fn time(&self, record: &Record) -> Option<Chart> {
        let interval_min = record.value("soak/interval_s")? / 60.0;
        let series = |id: &str, index: usize, name: &str| {
            let samples = record.get(id)?.samples.iter().enumerate();
            let point = |(at, value): (usize, &Option<f64>)| {
                Some(((at + 1) as f64 * interval_min, (*value).filter(|value| *value > 0.0)?))
            };
            let points = samples.filter_map(point).collect();
            Some(Line { name: name.to_owned(), style: Style::Sibling(index), points })
        };
        let of = |id: &str| -> Vec<Line> {
            let ids = siblings().map(|(index, name)| (id.replace("{}", name), index, name));
            ids.filter_map(|(id, index, name)| series(&id, index, name)).collect()
        };
        let lines = of(&self.id);
        let last = lines.iter().filter_map(|line| line.points.last()).map(|point| point.0);
        let end = last.fold(0.0, f64::max);
        let tick = |quarter: u32| end * f64::from(quarter) / 4.0;
        let others = self.same_axis.iter().flat_map(|id| of(id));
        let chart = Lines {
            x_title: self.x_title.clone(),
            is_time: true,
            x_ticks: (0..=4)
                .map(|at| (tick(at), format!("{}", round_to_tenth(tick(at)))))
                .collect(),
            y_text: self.unit.text(),
            y_values: others.flat_map(|line| line.points).map(|point| point.1).collect(),
            lines,
        };
        (end > 0.0).then(|| chart.draw(self.name.clone(), self.title.clone()))
    }

    /// Returns all values of this chart, and the values of the chart that has the same y axis.
    fn y_values(&self, record: &Record) -> Vec<f64> {
        let ids = self.references.iter().map(|(_, id)| id).chain(&self.same_axis).chain([&self.id]);
        let ids = ids.flat_map(|id| siblings().map(move |(_, name)| id.replace("{}", name)));
        let values = ids.flat_map(|id| {
            let values: Vec<f64> =
                values(record, &id).into_iter().map(|(_, value)| value).collect();
            // The name of a line with a single point is below this point, and needs space there.
            let name = if values.len() == 1 { Some(values[0] / 4.0) } else { None };
            values.into_iter().chain(name)
        });
        values.collect()
    }
}

/// A point of a line. The fields are the position on the x axis, the text at this position, and the
/// value.
type Point = (u64, String, f64);

/// Returns the points of all positive values whose ids match a pattern, from left to right.
fn points(record: &Record, id: &str) -> Vec<Point> {
    let values = values(record, id).into_iter().filter(|(_, value)| *value > 0.0);
    let points = values.filter_map(|(text, value)| Some((text::bytes(&text).ok()?, text, value)));
    let mut points: Vec<Point> = points.collect();
    points.sort_by_key(|point| point.0);
    points
}

fn line(name: &str, style: Style, points: Vec<Point>) -> Line {
    let points = points.into_iter().map(|(x, _, y)| (x as f64, y)).collect();
    Line { name: name.to_owned(), style, points }
}

/// Returns a short text for the x axis, such as `64K` for `64KiB`, or `1,024` for `1024`.
fn tick_text(text: &str) -> String {
    match text.parse() {
        Ok(number) => text::grouped(number),
        Err(_) => text.replace("iB", "").trim_end_matches('B').to_owned(),
    }
}

impl Unit {
    /// Returns the function that formats a value with this unit.
    fn text(self) -> fn(f64) -> String {
        match self {
            Self::Number => plain,
            Self::BytesPerS => bytes_per_s,
            Self::Ns => |ns| format!("{:.0} µs", ns / 1e3),
            Self::S => |value| format!("{} s", plain(value)),
            Self::Kib => |value| format!("{value:.1} KiB"),
            Self::Mib => |value| format!("{} MiB", plain(value)),
            Self::Gb => |value| format!("{value:.2} GB"),
        }
    }
}

fn bytes_per_s(value: f64) -> String {
    match value {
        1e9.. => format!("{} GB/s", round(value / 1e9)),
        1e6.. => format!("{} MB/s", round(value / 1e6)),
        1e3.. => format!("{} kB/s", round(value / 1e3)),
        _ => format!("{} B/s", round(value)),
    }
}

fn plain(value: f64) -> String {
    if value < 1.0 { round(value) } else { text::grouped(value.round() as u64) }
}

fn round_to_tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Formats a number without zeros at the end of its decimals.
fn round(value: f64) -> String {
    format!("{}", (value * 1e6).round() / 1e6)
}
