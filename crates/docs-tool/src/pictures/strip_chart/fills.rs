//! The colors and patterns of strip charts. They are the same as in the live view, and are defined
//! there in `crates/flow/page/flow.css` and `theme.js`. A kind of band has a pattern, so that its
//! meaning does not depend on its color.

use std::collections::BTreeMap;

use flow_trace::{State, ThreadState};

use crate::pictures::svg::{Svg, width_of};

use super::{BAND, WIDTH_MIN};

/// The style sheet and the patterns of a strip chart.
pub const DEFINITIONS: &str = "\
<style>\
:root{--track:#e9edf1;--read:#2f7fc1;--receive:#eda11d;--send:#d2470f;--process:#9a5bb5;--connected:#b9cde2;\
--writing:#1d7f57;--waiting:#a8123f;--draining:#4d5b6b;--reset:#5b2a6e;--running:#1d7f57;\
--runnable:#e3b51f;--blocked:#cfd8e2;--on-fill:#fff}\
@media (prefers-color-scheme:dark){:root{--track:#26303a;--read:#5aa7e6;--receive:#f0b13e;--send:#f0713c;\
--process:#c08ad9;--connected:#48607a;--writing:#2c9a6c;--waiting:#e8698d;--draining:#93a4b6;\
--reset:#9a5bb5;--running:#2c9a6c;--runnable:#e6bd3a;--blocked:#3a4653;--on-fill:#0b0f14}}\
.track{fill:var(--track)}.read{fill:var(--read)}.receive{fill:var(--receive)}.send{fill:var(--send)}\
.process{fill:var(--process)}.connected{fill:var(--connected)}.writing{fill:var(--writing)}\
.waiting{fill:var(--waiting)}.draining{fill:var(--draining)}.reset{fill:var(--reset)}\
.running{fill:var(--running)}.runnable{fill:var(--runnable)}.blocked{fill:var(--blocked)}\
.connected,.blocked{stroke:var(--soft);stroke-width:.6}\
.stripes{fill:url(#stripes)}.dots{fill:url(#dots)}.net{fill:url(#net)}.lines{fill:url(#lines)}.checks{fill:url(#checks)}.bars{fill:url(#bars)}\
pattern path{stroke:var(--paper);stroke-opacity:.42}\
.small{font-size:13px}.on-fill{fill:var(--on-fill)}\
.event{paint-order:stroke;stroke:var(--paper);stroke-width:4px;font-size:13px}</style>\n\
<pattern id=\"stripes\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\">\
<path stroke-width=\"2\" d=\"M-2 2L2 -2M-2 10L10 -2M6 10L10 6\"/></pattern>\n\
<pattern id=\"dots\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\">\
<path stroke-width=\"2\" d=\"M1 2h2M5 6h2\"/></pattern>\n\
<pattern id=\"net\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">\
<path d=\"M0 .5h4M.5 0v4\"/></pattern>\n\
<pattern id=\"lines\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\">\
<path stroke-width=\"2\" d=\"M0 2h8M0 6h8\"/></pattern>\n\
<pattern id=\"checks\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\">\
<path stroke-width=\"4\" d=\"M0 2h4M4 6h4\"/></pattern>\n\
<pattern id=\"bars\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\">\
<path stroke-width=\"3\" d=\"M1.5 0v8\"/></pattern>\n";

/// The bytes of a reply, from the first byte to the last one.
pub const BYTES: [&str; 4] = ["read", "receive", "send", "process"];

/// The threads of a server.
pub const THREADS: [&str; 3] = ["blocked", "runnable", "running"];

pub fn of_state(state: State) -> Option<&'static str> {
    match state {
        State::Connected => Some("connected"),
        State::Writing => Some("writing"),
        State::Waiting => Some("waiting"),
        State::Draining => Some("draining"),
        State::Reset => Some("reset"),
        State::Closed => None,
    }
}

pub fn of_thread(state: ThreadState) -> Option<&'static str> {
    match state {
        ThreadState::Running => Some("running"),
        ThreadState::Runnable => Some("runnable"),
        ThreadState::Blocked => Some("blocked"),
        ThreadState::Ended => None,
    }
}

/// Fills areas with a color, and with its pattern if it has one.
pub fn areas(svg: &mut Svg, fill: &str, areas: &[Vec<(f64, f64)>]) {
    svg.areas(fill, areas);
    if let Some(pattern) = pattern(fill) {
        svg.areas(pattern, areas);
    }
}

/// A band between two positions, with a color and with names. The first name that fits is drawn.
pub struct Band<'a> {
    pub fill: &'static str,
    pub from: f64,
    pub to: f64,
    pub names: Vec<&'a str>,
}

/// Draws bands that do not overlap. A band that is narrower than a pixel becomes a part of the band
/// before it.
pub fn bands(svg: &mut Svg, bands: Vec<Band<'_>>, top: f64) {
    let mut visible: Vec<Band<'_>> = Vec::new();
    for band in bands {
        match visible.last_mut() {
            Some(last) if last.fill == band.fill && last.names == band.names => last.to = band.to,
            Some(last) if band.to - band.from < 1.0 && band.from - last.to < 1.0 => {
                last.to = band.to;
            }
            _ => visible.push(band),
        }
    }
    let (mut plain, mut named) = (BTreeMap::new(), BTreeMap::new());
    for Band { fill, from, to, names } in &visible {
        let (x, right) = (*from, to.max(from + WIDTH_MIN));
        let bottom = top + BAND;
        let area = vec![(x, top), (right, top), (right, bottom), (x, bottom)];
        let is_named = names.iter().any(|name| fits(name, right - x));
        let areas = if is_named { &mut named } else { &mut plain };
        areas.entry(*fill).or_insert_with(Vec::new).push(area);
    }
    plain.iter().for_each(|(fill, them)| areas(svg, fill, them));
    // A name on a pattern is hard to read.
    named.iter().for_each(|(fill, them)| svg.areas(fill, them));
    for Band { fill, from, to, names } in visible {
        if let Some(name) = names.into_iter().find(|name| fits(name, to - from)) {
            let is_light = ["connected", "blocked", "runnable"].contains(&fill);
            let class = if is_light { "small" } else { "small on-fill" };
            svg.text(from + 4.0, top + BAND - 3.5, class, name);
        }
    }
}

fn fits(name: &str, width: f64) -> bool {
    width_of(name) + 4.0 < width
}

fn pattern(fill: &str) -> Option<&'static str> {
    match fill {
        "receive" => Some("dots"),
        "send" => Some("stripes"),
        "process" => Some("net"),
        "waiting" => Some("lines"),
        "draining" => Some("checks"),
        "reset" | "runnable" => Some("bars"),
        _ => None,
    }
}
