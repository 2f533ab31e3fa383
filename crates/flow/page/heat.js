// Draws the states of many connections.
import { STATE_NAMES, STATE_PATTERNS } from './theme.js';
import { C, STATES } from './model.js';
import { formatCount } from './format.js';
import { drawSwatch, write, writeLarge } from './draw.js';

/** If a line of the heat map stands for several connections, it shows the last of these states. */
const PRIORITY = ['closed', 'connected', 'draining', 'writing', 'waiting', 'reset'];
const CLOSED = 1 + PRIORITY.indexOf('closed');
const PRIORITY_OF_STATE = STATES.map((state) => PRIORITY.indexOf(state) + 1);

/**
 * Draws the states of many connections as lines of one pixel or more. The image changes only if a
 * line of the trace arrives, or if the time axis moves by a pixel.
 */
export function drawHeat(ctx, view, server, connections, y, height) {
  const { dpr } = view;
  const width = Math.floor((view.right - view.left) * dpr);
  const lines = Math.floor(height * dpr);
  if (width < 1 || lines < 1) return;
  const step = view.span / width;
  const key = [width, lines, Math.floor(view.start / step), Math.floor(view.end / step), view.model.now, connections.length, view.theme.panel].join();
  if (server.heat?.key !== key) server.heat = { key, image: heatImage(ctx, view, connections, width, lines) };
  ctx.putImageData(server.heat.image, Math.round(view.left * dpr), Math.round((y + view.top) * dpr));
  // Numbers that change with every frame cannot be read.
  const countKey = `${Math.floor(view.at / 100_000)} ${connections.length}`;
  if (server.counts?.key !== countKey) server.counts = { key: countKey, counts: countStates(connections, view.at) };
  writeCounts(ctx, view, server.counts.counts, y, height);
}

function heatImage(ctx, view, connections, width, lines) {
  const image = ctx.createImageData(width, lines);
  const pixels = new Uint32Array(image.data.buffer);
  const colors = [view.theme.words.panel, ...PRIORITY.map((state) => view.theme.words[state])];
  const states = new Uint8Array(width);
  let done = 0;
  for (let line = 0; line < lines; line += 1) {
    const until = Math.max(1, Math.floor(((line + 1) * connections.length) / lines));
    if (until > done) {
      states.fill(0);
      for (; done < until; done += 1) addStates(view, connections[done], states, width / view.span);
    }
    const offset = line * width;
    for (let x = 0; x < width; x += 1) pixels[offset + x] = colors[states[x]];
  }
  return image;
}

/** Marks the states of a connection in a line of pixels. After its end, a connection is closed. */
function addStates(view, connection, states, scale) {
  const { data, length } = connection.series;
  const end = Math.min(connection.end ?? Infinity, view.end);
  let row = Math.max(0, connection.series.rowBefore(view.start));
  while (row < length) {
    const state = PRIORITY_OF_STATE[data[row * C.COUNT + C.STATE]] ?? 0;
    const from = Math.max(0, Math.floor((data[row * C.COUNT] - view.start) * scale));
    do row += 1;
    while (row < length && PRIORITY_OF_STATE[data[row * C.COUNT + C.STATE]] === state);
    const time = row < length ? Math.min(end, data[row * C.COUNT]) : end;
    const to = Math.min(states.length, Math.ceil((time - view.start) * scale));
    for (let x = from; x < to; x += 1) if (states[x] < state) states[x] = state;
    if (time >= end) break;
  }
  if (connection.end === undefined) return;
  const to = Math.min(states.length, Math.ceil((view.end - view.start) * scale));
  for (let x = Math.max(0, Math.ceil((connection.end - view.start) * scale)); x < to; x += 1) states[x] ||= CLOSED;
}

/** Returns the number of connections in each state at a time. */
export function countStates(connections, time) {
  const counts = new Map(STATES.map((state) => [state, 0]));
  for (const connection of connections) {
    const state = STATES[connection.series.get(connection.series.rowBefore(time), C.STATE)];
    if (state) counts.set(state, counts.get(state) + 1);
  }
  return counts;
}

function writeCounts(ctx, view, counts, y, height) {
  let base = y + 16;
  const [most, number] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a));
  if (number > 0) writeLarge(ctx, view, `${formatCount(number)} ${STATE_NAMES[most][0]}`, y, height);
  for (const [state, count] of counts) {
    if (count === 0 || base > y + height) continue;
    drawSwatch(ctx, view, state, STATE_PATTERNS[state], 5, base - 9);
    write(ctx, view, state, 22, base, { size: 12, color: view.theme.muted, max: view.left - 74 });
    write(ctx, view, formatCount(count), view.left - 8, base, { align: 'right', bold: true });
    base += 16;
  }
}
