//! Draws timelines of the connections in a server's log.

use serde_json::Value;

use super::source::Source;
use super::svg::{LINE, MARGIN, Rect, Svg, WIDTH};
use crate::common::{SIBLINGS, counted};

/// The position of the start of the time axis, to the right of the clients' names.
const LEFT: f64 = 76.0;

/// The height of a client's lane.
const LANE: f64 = 30.0;

/// The height of a chunk's bar.
const BAR: f64 = 14.0;

/// The minimum width of a visible bar.
const BAR_WIDTH_MIN: f64 = 1.6;

/// The parts of a log that are drawn.
#[derive(Debug, Default)]
struct Log {
    approach: String,
    file: String,
    file_bytes: u64,
    clients: Vec<Client>,
}

/// One connection. All times are relative to the start of the first connection.
#[derive(Debug, Default)]
struct Client {
    conn: u64,
    connected_us: u64,
    chunks: Vec<Chunk>,
    file_ended_us: Option<u64>,
    disconnected_us: u64,
}

/// A chunk, with the times at which its write started and ended.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Chunk {
    from_us: u64,
    to_us: u64,
    bytes: u64,
}

pub fn draw(source: &Source) -> Result<String, String> {
    let log = log(source)?;
    let slowest = log.clients.iter().max_by_key(|client| client.disconnected_us);
    let slowest = slowest.map_or(0, |client| client.conn);
    let quick = || log.clients.iter().filter(|client| client.conn != slowest);
    let quick_from_us = quick().map(|client| client.connected_us).min().unwrap_or(0);
    let quick_to_us = quick().map(|client| client.disconnected_us).max().unwrap_or(0);
    let all_us = log.clients.iter().map(|client| client.disconnected_us).max().unwrap_or(0);
    let title = format!("{}: four clients, one of them slow", log.approach);
    let mut svg = Svg::titled(&title);
    let all = Window::of(0, all_us);
    let close = Window::of(quick_from_us, quick_to_us);
    svg.text(MARGIN, 50.0, "bold", "From the first client to the last");
    let (x, y) = (all.x(quick_from_us), 60.0);
    let width = (all.x(quick_to_us) - x).max(BAR_WIDTH_MIN);
    let height = LANE * log.clients.len() as f64;
    svg.rect("shade", Rect { x, y, width, height }, 0.0);
    let y = panel(&mut svg, &log, slowest, &all, y);
    let taken = time(quick_to_us.saturating_sub(quick_from_us));
    svg.text(MARGIN, y + 24.0, "bold", &format!("The fast clients, enlarged: {taken}"));
    let y = panel(&mut svg, &log, slowest, &close, y + 34.0);
    let chunk_bytes = log.clients.iter().flat_map(|c| &c.chunks).map(|c| c.bytes).max();
    let bottom = legend(&mut svg, &log, chunk_bytes.unwrap_or(0), y + 14.0);
    Ok(svg.finish(&title, &description(&log, slowest), bottom + MARGIN))
}

fn log(source: &Source) -> Result<Log, String> {
    let help = "record the log again: cargo run -p docs-tool -- pictures --record-timelines";
    let mut log = Log::default();
    let mut first_us = None;
    for (at, line) in source.text.lines().enumerate() {
        let invalid = |error: serde_json::Error| source.error(at + 1, &error.to_string(), help);
        let event: Value = serde_json::from_str(line).map_err(invalid)?;
        let number = |field: &str| event[field].as_u64().unwrap_or(0);
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        let kind = text("event");
        if kind == "listening" {
            (log.approach, log.file, log.file_bytes) =
                (text("approach"), text("file"), number("bytes"));
            continue;
        }
        let conn = number("conn");
        let at_us = number("at_us");
        let since_us = at_us.saturating_sub(*first_us.get_or_insert(at_us));
        if kind == "connected" {
            log.clients.push(Client { conn, connected_us: since_us, ..Client::default() });
        }
        let Some(client) = log.clients.iter_mut().find(|it| it.conn == conn) else { continue };
        match kind.as_str() {
            "chunk" => client.chunks.push(Chunk {
                from_us: since_us.saturating_sub(number("wait_us")),
                to_us: since_us,
                bytes: number("bytes"),
            }),
            "file_ended" => client.file_ended_us = Some(since_us),
            "disconnected" => client.disconnected_us = since_us,
            _ => {}
        }
    }
    let have_all_ended = log.clients.iter().all(|client| client.disconnected_us > 0);
    let is_sibling = SIBLINGS.iter().any(|(name, _)| *name == log.approach);
    match is_sibling && have_all_ended && !log.clients.is_empty() {
        true => Ok(log),
        false => Err(source.error(1, "the log is incomplete", help)),
    }
}

/// Returns a description for readers who cannot see the picture.
fn description(log: &Log, slowest: u64) -> String {
    let mut out = format!(
        "This picture is drawn from the log of serve-{}, which sent {} to four clients.",
        log.approach, log.file
    );
    for client in &log.clients {
        let waits = client.chunks.iter().map(|chunk| chunk.to_us - chunk.from_us);
        let name = if client.conn == slowest { " (slow)" } else { "" };
        let (connected, disconnected) = (time(client.connected_us), time(client.disconnected_us));
        let chunks = counted(client.chunks.len(), "chunk");
        let longest = time(waits.max().unwrap_or(0));
        let ended = client.file_ended_us.map(|us| format!(" The file ended at {}.", time(us)));
        out.push_str(&format!(
            " Client {}{name} connected at {connected} and received {chunks}. The longest write \
             took {longest}.{} The client disconnected at {disconnected}.",
            client.conn,
            ended.unwrap_or_default()
        ));
    }
    out
}

/// A period of time, and its position in the picture.
#[derive(Debug)]
struct Window {
    from_us: u64,
    to_us: u64,
    step_us: u64,
}

impl Window {
    /// Returns a window that contains the period. The window starts and ends at a tick.
    fn of(from_us: u64, to_us: u64) -> Self {
        let step_us = step(to_us.saturating_sub(from_us).max(1));
        let from_us = from_us / step_us * step_us;
        Self { from_us, to_us: (to_us + 1).div_ceil(step_us) * step_us, step_us }
    }

    /// Returns the position of a time, or the edge of the window if the time is outside the window.
    fn x(&self, us: u64) -> f64 {
        // The number of the last tick is centered at the tick, so the right edge needs space for
        // half of the number.
        let right = WIDTH - MARGIN - 24.0;
        let part = us.clamp(self.from_us, self.to_us) - self.from_us;
        LEFT + (right - LEFT) * part as f64 / (self.to_us - self.from_us) as f64
    }

    fn has(&self, us: u64) -> bool {
        (self.from_us..=self.to_us).contains(&us)
    }
}

/// Returns the number of the sibling's color.
fn color(log: &Log) -> usize {
    SIBLINGS.iter().position(|(name, _)| *name == log.approach).unwrap_or(0)
}

/// Draws one lane per client. Returns the bottom of the lanes.
fn panel(svg: &mut Svg, log: &Log, slowest: u64, window: &Window, top: f64) -> f64 {
    let bottom = top + LANE * log.clients.len() as f64;
    let mut tick = window.from_us;
    while tick <= window.to_us {
        let x = window.x(tick);
        svg.line("grid", &[(x, top), (x, bottom + 4.0)]);
        svg.text(x, bottom + 18.0, "mid soft", &(tick as f64 / 1e3).to_string());
        tick += window.step_us;
    }
    svg.text(MARGIN, bottom + 18.0, "soft", "ms");
    let color = color(log);
    for (at, client) in log.clients.iter().enumerate() {
        let mid = top + LANE * (at as f64 + 0.5);
        let name = if client.conn == slowest { " slow" } else { "" };
        svg.text(MARGIN, mid + 5.0, "", &format!("#{}{name}", client.conn));
        let is_there = |from: u64, to: u64| from < window.to_us && to > window.from_us;
        if is_there(client.connected_us, client.disconnected_us) {
            let (from, to) = (window.x(client.connected_us), window.x(client.disconnected_us));
            svg.line("life", &[(from, mid), (to, mid)]);
        }
        for chunk in client.chunks.iter().filter(|chunk| is_there(chunk.from_us, chunk.to_us)) {
            let (from, to) = (window.x(chunk.from_us), window.x(chunk.to_us));
            let width = (to - from).max(BAR_WIDTH_MIN);
            let rect = Rect { x: to - width, y: mid - BAR / 2.0, width, height: BAR };
            svg.rect(&format!("f{color} half"), rect, 0.0);
            // This line at the end of the write separates adjacent chunks.
            if window.has(chunk.to_us) {
                svg.line("grain", &[(to, mid - BAR / 2.0), (to, mid + BAR / 2.0)]);
            }
        }
        draw_ends(svg, client, window, mid);
    }
    bottom + LINE
}

fn draw_ends(svg: &mut Svg, client: &Client, window: &Window, mid: f64) {
    if window.has(client.connected_us) {
        svg.circle("dot", window.x(client.connected_us), mid, 4.0);
    }
    if let Some(us) = client.file_ended_us.filter(|us| window.has(*us)) {
        diamond(svg, window.x(us), mid);
    }
    if window.has(client.disconnected_us) {
        let x = window.x(client.disconnected_us);
        svg.line("bad", &[(x, mid - 11.0), (x, mid + 11.0)]);
    }
}

fn diamond(svg: &mut Svg, x: f64, y: f64) {
    svg.line("dot", &[(x, y - 6.0), (x + 6.0, y), (x, y + 6.0), (x - 6.0, y), (x, y - 6.0)]);
}

fn legend(svg: &mut Svg, log: &Log, chunk_bytes: u64, y: f64) -> f64 {
    let color = color(log);
    let mut y = y + LINE;
    let column = WIDTH / 2.0;
    let bar = Rect { x: MARGIN, y: y - 12.0, width: 22.0, height: BAR };
    svg.rect(&format!("f{color} half"), bar, 0.0);
    svg.line("grain", &[(bar.right(), bar.y), (bar.right(), bar.bottom())]);
    svg.text(MARGIN + 32.0, y, "", "a chunk, while it is written");
    svg.circle("dot", column + 20.0, y - 5.0, 4.0);
    svg.text(column + 34.0, y, "", "connected");
    y += LINE + 4.0;
    diamond(svg, MARGIN + 12.0, y - 5.0);
    svg.text(MARGIN + 32.0, y, "", "file ended");
    svg.line("bad", &[(column + 20.0, y - 15.0), (column + 20.0, y + 5.0)]);
    svg.text(column + 34.0, y, "", "disconnected");
    y += LINE + 6.0;
    let (file, chunk) = (size(log.file_bytes), size(chunk_bytes));
    let note = format!("One run: a file of {file}, in chunks of at most {chunk}");
    svg.text(MARGIN, y, "soft", &note);
    y
}

/// Returns a size in MiB or KiB if this number is an integer, or else in bytes.
fn size(bytes: u64) -> String {
    match (bytes >> 20, bytes >> 10) {
        (mib, _) if mib > 0 && mib << 20 == bytes => format!("{mib} MiB"),
        (_, kib) if kib > 0 && kib << 10 == bytes => format!("{kib} KiB"),
        _ => format!("{bytes} bytes"),
    }
}

/// Returns the distance between ticks. The distance is 1, 2 or 5 times a power of ten, and results
/// in at most about five ticks.
fn step(until_us: u64) -> u64 {
    let steps = (0..).flat_map(|power| [1, 2, 5].map(|step| step * 10_u64.pow(power)));
    steps.into_iter().find(|step| until_us <= step * 5).unwrap_or(until_us)
}

/// Returns a time, such as `0.34 ms` or `12 ms`.
fn time(us: u64) -> String {
    match us {
        0..1000 => format!("{:.2} ms", us as f64 / 1e3),
        1000..10_000 => format!("{:.1} ms", us as f64 / 1e3),
        _ => format!("{:.0} ms", us as f64 / 1e3),
    }
}
