// Draws parts of charts on a canvas. A view contains the period that a chart shows:
//
// - `start`, `span`: the time at the left end, and the length of the time axis
// - `end`: the time of the latest value that is drawn
// - `at`: the time of the values in the left column, which is the cursor's time or `end`
// - `left`, `right`: the horizontal ends of the time axis in CSS pixels
//
// The chart library uPlot (MIT) was considered. The charts here are bands and stacked areas of
// many rows with one time axis, and uPlot draws one line chart per canvas. Almost all of the drawing
// would have been plugins, so this code without a dependency is simpler.
import { PARTS, STATE_NAMES, STATE_PATTERNS, UNWRITTEN } from './theme.js';
import { C, STATES, SUM } from './model.js';
import { formatBytes, formatSpeed } from './format.js';

export function xOf(view, time) {
  return view.left + ((time - view.start) / view.span) * (view.right - view.left);
}

export function timeOf(view, x) {
  return view.start + ((x - view.left) / (view.right - view.left)) * view.span;
}

/** The minimum width of the last value of an item that has ended. */
const LAST_WIDTH = 3;
/** The minimum height of a part of a reply that is not empty. */
const PART_HEIGHT = 2;

/** Returns the right end of the values of an item, of which the last value begins at `x`. */
function endOf(view, endTime, x) {
  return Math.max(xOf(view, Math.min(endTime, view.end, view.start + view.span)), endTime <= view.end ? x + LAST_WIDTH : 0);
}

/** The widths of texts for each font. Reading `ctx.font` is slow, so the font has a variable. */
const widths = new Map();
let font = '';

function setFont(ctx, view, size, isBold) {
  font = `${isBold ? 600 : 400} ${size}px ${view.theme.font}`;
  ctx.font = font;
}

function widthOf(ctx, text) {
  let ofFont = widths.get(font);
  if (!ofFont || ofFont.size > 2000) widths.set(font, (ofFont = new Map()));
  let width = ofFont.get(text);
  if (width === undefined) ofFont.set(text, (width = ctx.measureText(text).width));
  return width;
}

/** Writes text, and shortens it if it is wider than `max`. Returns the width of the written text. */
export function write(ctx, view, text, x, y, { size = 13, bold = false, color, max = Infinity, align = 'left' } = {}) {
  setFont(ctx, view, size, bold);
  ctx.fillStyle = color ?? view.theme.text;
  let shown = text;
  while (widthOf(ctx, shown) > max && shown.length > 1) shown = `${shown.replace(/…$/, '').slice(0, -1).trimEnd()}…`;
  const width = widthOf(ctx, shown);
  ctx.fillText(shown, align === 'right' ? x - width : x, y);
  return width;
}

/** Fills a rectangle with the color and the pattern of a state or of a part of the reply. */
export function fillBand(ctx, view, key, pattern, x, y, width, height) {
  ctx.fillStyle = view.theme[key];
  ctx.fillRect(x, y, width, height);
  overlay(ctx, view, key, pattern, () => ctx.fillRect(x, y, width, height));
  if (pattern !== 'outline' || height < 6) return;
  ctx.strokeStyle = view.theme.muted;
  ctx.lineWidth = 1;
  ctx.strokeRect(x + 0.5, y + 0.5, Math.max(0, width - 1), height - 1);
}

function overlay(ctx, view, key, pattern, fill) {
  const style = view.theme.pattern(ctx, pattern, view.shift);
  if (!style) return;
  ctx.fillStyle = style;
  fill();
}

/** A small picture of a band, for the left column and the legend. */
export function drawSwatch(ctx, view, key, pattern, x, y, width = 12, height = 10) {
  fillBand(ctx, { ...view, shift: -x }, key, pattern, x, y, width, height);
}

/**
 * Calls `draw` for each period in which `keyOf` returns the same value. A period that is shorter
 * than a pixel becomes a part of its predecessor.
 */
export function forEachRun(view, series, endTime, keyOf, draw) {
  const end = Math.min(endTime, view.end, view.start + view.span);
  let row = Math.max(0, series.rowBefore(view.start));
  let from = Math.max(view.left, xOf(view, series.get(row, 0)));
  if (series.length === 0 || series.get(row, 0) > end) return;
  let key = keyOf(row);
  let first = row;
  for (row += 1; row < series.length && series.get(row, 0) <= end; row += 1) {
    const next = keyOf(row);
    const x = xOf(view, series.get(row, 0));
    if (next === key || x - from < 1) continue;
    draw(key, from, x, first);
    [key, from, first] = [next, x, row];
  }
  const to = endOf(view, endTime, from);
  if (to > from) draw(key, from, to, first);
}

/**
 * Writes the longest of some names that fits into a band. A background in the color of the band hides
 * the pattern behind the name.
 */
export function writeInBand(ctx, view, names, x, y, width, height, color, background) {
  const size = Math.min(12, height - 2);
  if (size < 9 || width < 24) return;
  setFont(ctx, view, size, true);
  const name = names.find((candidate) => widthOf(ctx, candidate) <= width - 8);
  if (name && background) {
    ctx.fillStyle = background;
    ctx.fillRect(x, y, widthOf(ctx, name) + 8, height);
  }
  if (name) write(ctx, view, name, x + 4, y + height / 2 + size * 0.36, { size, bold: true, color });
}

/** Draws the area below `heightOf`, a function of rows, with one step per value. */
function fillSteps(ctx, view, series, endTime, heightOf, part, bottom) {
  const end = Math.min(endTime, view.end, view.start + view.span);
  let row = Math.max(0, series.rowBefore(view.start));
  if (series.length === 0 || series.get(row, 0) > end) return;
  const yAt = (index) => bottom - heightOf(index);
  let x = Math.max(view.left, xOf(view, series.get(row, 0)));
  let y = yAt(row);
  let isVisible = y < bottom;
  const path = new Path2D();
  path.moveTo(x, bottom);
  path.lineTo(x, y);
  for (row += 1; row < series.length && series.get(row, 0) <= end; row += 1) {
    const next = yAt(row);
    if (next === y) continue;
    const nextX = xOf(view, series.get(row, 0));
    // Several values within a pixel become one step.
    if (nextX - x >= 0.7) {
      path.lineTo(nextX, y);
      x = nextX;
    }
    path.lineTo(x, next);
    y = next;
    isVisible ||= y < bottom;
  }
  if (!isVisible) return;
  const right = endOf(view, endTime, x);
  path.lineTo(right, y);
  path.lineTo(right, bottom);
  ctx.fillStyle = view.theme[part.key];
  ctx.fill(path);
  overlay(ctx, view, part.key, part.pattern, () => ctx.fill(path));
}

/** Returns the cumulative ends of the parts of a reply: read, received, written, in the process. */
export function partsOf(series, row, total = Infinity) {
  const known = (column) => {
    const value = series.get(row, column);
    return Number.isNaN(value) ? 0 : value;
  };
  const read = known(C.READ);
  const received = Math.max(read, known(C.RECEIVED));
  const written = Math.max(received, known(C.WRITTEN));
  return [read, received, written, Math.min(total, written + known(C.IN_PROCESS))];
}

/** Converts the cumulative ends of parts to heights. A part that is not empty is always visible. */
function heightsOf(ends, total, height) {
  const heights = [];
  let [level, before] = [0, 0];
  for (const end of ends) {
    level = Math.max((end / total) * height, end > before ? level + PART_HEIGHT : level);
    heights.push(level);
    before = end;
  }
  let max = height;
  for (let index = ends.length - 1; index >= 0; index -= 1) {
    heights[index] = Math.min(heights[index], max);
    max = ends[index] > (ends[index - 1] ?? 0) ? heights[index] - PART_HEIGHT : heights[index];
  }
  return heights;
}

/** Draws stacked parts, from the longest to the shortest part. `endsOf` returns their ends in a row. */
function drawParts(ctx, view, series, endTime, endsOf, top, height, total) {
  const first = Math.max(0, series.rowBefore(view.start));
  const heights = [];
  for (let row = first; row < series.length && series.get(row, 0) <= view.end; row += 1) heights.push(heightsOf(endsOf(row), total, height));
  if (heights.length === 0) return;
  for (let index = heights[0].length - 1; index >= 0; index -= 1) {
    fillSteps(ctx, view, series, endTime, (row) => heights[row - first][index], PARTS[index], top + height);
  }
}

function drawStates(ctx, view, connection, y, height) {
  forEachRun(view, connection.series, connection.end ?? Infinity, (row) => connection.series.get(row, C.STATE), (state, from, to) => {
    const name = STATES[state];
    if (!name) return;
    fillBand(ctx, view, name, STATE_PATTERNS[name], from, y, to - from, height);
    const isLight = name === 'connected' || name === 'closed';
    const color = isLight ? view.theme['on-light'] : view.theme['on-fill'];
    writeInBand(ctx, view, STATE_NAMES[name], from, y, to - from, height, color, isLight ? undefined : view.theme[name]);
  });
}

/**
 * Draws a line for each event, and names the latest events for which there is space: on the right of
 * the line, below the name of a later event, or on the left. The names occupy at most `lines` lines.
 */
export function drawEvents(ctx, view, events, top, height, lines) {
  const first = events.findIndex(({ at }) => at >= view.start);
  if (first < 0) return;
  const shown = events.slice(first).filter(({ at }) => at <= view.end);
  ctx.fillStyle = view.theme.text;
  for (const { at, event } of shown) {
    const x = Math.round(xOf(view, at));
    if (isSmall(event)) ctx.fillRect(x, top, 1, height * 0.3);
    else ctx.fillRect(x - 1, top, 2, height);
  }
  // The left ends of the names in each line of text.
  const free = Array(lines).fill(view.right);
  setFont(ctx, view, 12, true);
  for (const { at, event } of shown.filter(({ event }) => !isSmall(event)).reverse()) {
    const name = event.replaceAll('_', ' ');
    const x = Math.round(xOf(view, at));
    const width = widthOf(ctx, name) + 8;
    let left = x + 1;
    let line = free.findIndex((end) => left + width <= end);
    if (line < 0) {
      left = Math.max(view.left, x - width - 1);
      line = free.findIndex((end) => left + width <= end);
      if (line < 0) continue;
    }
    ctx.fillStyle = view.theme.text;
    ctx.fillRect(left, top + line * 17, width, 16);
    write(ctx, view, name, left + 4, top + line * 17 + 12, { size: 12, bold: true, color: view.theme.panel });
    free[line] = Math.min(left, x) - 1;
  }
}

function isSmall(event) {
  return event === 'data' || event === 'connected';
}

/** Returns the settings of a client at a time, or undefined for a client of another program. */
export function settingsAt(connection, time) {
  return connection.settings.findLast(({ at }) => at <= time) ?? connection.settings[0];
}

/** Returns the events of a connection, and the changes of its client's speed. */
export function eventsOf({ events, settings }) {
  const changes = settings.filter(({ speed }, index) => index > 0 && speed !== settings[index - 1].speed);
  if (changes.length === 0) return events;
  return [...events, ...changes.map(({ at, speed }) => ({ at, event: formatSpeed(speed) }))].sort((a, b) => a.at - b.at);
}

function writeConnection(ctx, view, connection, y, height) {
  const { series } = connection;
  const row = series.rowBefore(view.at);
  const settings = settingsAt(connection, view.at);
  const numberWidth = write(ctx, view, `#${connection.number}`, 4, y + 15, { size: 14, bold: true });
  const speed = settings ? formatSpeed(settings.speed) : 'other program';
  write(ctx, view, speed, view.left - 8, y + 15, { align: 'right', color: view.theme.muted, max: view.left - numberWidth - 18 });
  if (row >= 0) writeValues(ctx, view, partsOf(series, row), view.model.totalBytes(connection.server), y, height);
}

/** Writes the bytes in each part, as far as there is space below the title. */
function writeValues(ctx, view, [read, received, written, processed = written], total, y, height) {
  const unwritten = Math.max(0, total - (processed <= total ? processed : written));
  const values = [[PARTS[2], written - received], [PARTS[1], received - read], [PARTS[0], read], [UNWRITTEN, unwritten]];
  const lines = Math.floor((height - 20) / 16);
  for (const [index, [part, bytes]] of values.slice(0, lines).entries()) {
    const base = y + 32 + index * 16;
    drawSwatch(ctx, view, part.key, part.pattern, 5, base - 9);
    const width = write(ctx, view, formatBytes(bytes), view.left - 8, base, { align: 'right', bold: bytes > 0 && index < 2 });
    if (view.left >= 150) write(ctx, view, part.short, 22, base, { size: 12, color: view.theme.muted, max: view.left - width - 34 });
  }
}

/** Draws the row of a connection. */
export function drawConnection(ctx, view, connection, y, height) {
  const bandHeight = height >= 64 ? 16 : height >= 44 ? 12 : 6;
  const top = y + 3;
  const chartHeight = height - bandHeight - 9;
  const total = Math.max(1, view.model.totalBytes(connection.server));
  const from = Math.max(view.left, xOf(view, connection.begin));
  const endTime = connection.end ?? Infinity;
  const to = endOf(view, endTime, from);
  if (to > from) {
    ctx.fillStyle = view.theme.track;
    ctx.fillRect(from, top, to - from, chartHeight);
  }
  drawParts(ctx, view, connection.series, endTime, (row) => partsOf(connection.series, row, total), top, chartHeight, total);
  drawStates(ctx, view, connection, top + chartHeight + 2, bandHeight);
  drawEvents(ctx, view, eventsOf(connection), top, chartHeight, height >= 80 ? 2 : height >= 44 ? 1 : 0);
  writeConnection(ctx, view, connection, y, height);
}

/** The height of the text above a chart that states its scale. */
export const SCALE_HEIGHT = 15;

/** Writes the largest value of a chart above its right end. */
export function writeScale(ctx, view, max, y) {
  write(ctx, view, `0 to ${max}`, view.right, y + SCALE_HEIGHT - 4, { size: 11, color: view.theme.muted, align: 'right' });
}

const SUM_PARTS = [SUM.READ, SUM.RECEIVED, SUM.WRITTEN];

/** Draws the bytes of all open connections of a server as one stack. */
export function drawSum(ctx, view, server, y, height) {
  const { sum } = server;
  const row = sum.rowBefore(view.at);
  drawParts(ctx, view, sum, Infinity, (at) => SUM_PARTS.map((column) => sum.get(at, column)), y + SCALE_HEIGHT, height - SCALE_HEIGHT - 3, view.sumMax);
  writeScale(ctx, view, formatBytes(view.sumMax), y);
  write(ctx, view, 'All open', 4, y + 15, { size: 14, bold: true, max: view.left - 12 });
  if (row < 0) return;
  const total = sum.get(row, SUM.OPEN) * view.model.totalBytes(server);
  writeValues(ctx, view, SUM_PARTS.map((column) => sum.get(row, column)), total, y, height);
}

/** Writes the most frequent state in large letters, so that people in the last row can read it. */
export function writeLarge(ctx, view, text, y, height) {
  setFont(ctx, view, 16, true);
  const width = widthOf(ctx, text) + 20;
  const x = xOf(view, Math.min(view.end, view.start + view.span)) - width - 8;
  if (x < view.left) return;
  ctx.fillStyle = view.theme.panel;
  ctx.fillRect(x, y + height / 2 - 14, width, 28);
  write(ctx, view, text, x + 10, y + height / 2 + 6, { size: 16, bold: true });
}
