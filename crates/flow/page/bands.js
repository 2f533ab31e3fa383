// Draws the rows of threads, the resource usage, and the time axis.
import { STATE_NAMES, STATE_PATTERNS } from './theme.js';
import { cpuShare, THREAD, THREAD_STATES, USAGE } from './model.js';
import { formatBytes, formatCount, plural } from './format.js';
import { drawEvents, drawSwatch, fillBand, forEachRun, SCALE_HEIGHT, write, writeInBand, writeLarge, writeScale, xOf } from './draw.js';

/** Returns the texts for a thread's state, the longest first. */
function namesOf(view, state, call) {
  if (state !== 'blocked') return STATE_NAMES[state];
  const name = view.model.calls[call];
  return name === undefined ? STATE_NAMES.blocked : [`blocked in ${name}`, ...STATE_NAMES.blocked];
}

export function threadAt(model, thread, time) {
  const row = thread.series.rowBefore(time);
  return { state: THREAD_STATES[thread.series.get(row, THREAD.STATE)], call: model.calls[thread.series.get(row, THREAD.CALL)] };
}

export function describeThread({ state, call }) {
  if (state === undefined) return 'unknown';
  return state === 'blocked' && call !== undefined ? `blocked in ${call}` : state;
}

/** Returns the thread of a row that exists at a time, or the last thread before this time. */
export function threadOf(threads, time) {
  return threads.findLast(({ begin }) => begin <= time) ?? threads[0];
}

/** Draws a row of threads that exist one after another, with the present state below the name. */
export function drawThread(ctx, view, threads, y, height) {
  const thread = threadOf(threads, view.at);
  const max = view.left - 12;
  const state = view.at < thread.begin ? '–' : describeThread(threadAt(view.model, thread, view.at));
  write(ctx, view, thread.name || `thread ${thread.number}`, 4, y + height / 2 - 2, { max });
  write(ctx, view, state, 4, y + height / 2 + 12, { size: view.left < 150 ? 11 : 12, color: view.theme.muted, max });
  for (const one of threads) drawThreadBand(ctx, view, one, y + 4, height - 8, true);
}

function drawThreadBand(ctx, view, thread, y, height, hasNames) {
  const { series } = thread;
  // Blocking in two different calls is shown as two bands.
  const key = (row) => series.get(row, THREAD.STATE) * 1000 + (series.get(row, THREAD.CALL) || 0);
  forEachRun(view, series, thread.end ?? Infinity, key, (_, from, to, row) => {
    const state = THREAD_STATES[series.get(row, THREAD.STATE)];
    if (!state || state === 'ended') return;
    fillBand(ctx, view, state, height < 6 && STATE_PATTERNS[state] === 'outline' ? 'plain' : STATE_PATTERNS[state], from, y, to - from, height);
    const color = state === 'running' ? view.theme['on-fill'] : state === 'runnable' ? '#17212b' : view.theme['on-light'];
    if (hasNames) writeInBand(ctx, view, namesOf(view, state, series.get(row, THREAD.CALL)), from, y, to - from, height, color);
  });
}

/** Counts the threads in each state and system call at a time, the most frequent one first. */
export function countThreads(model, threads, time) {
  const counts = new Map();
  for (const thread of threads) {
    if (time < thread.begin) continue;
    const at = threadAt(model, thread, time);
    if (at.state === 'ended') continue;
    const text = describeThread(at);
    const entry = counts.get(text) ?? { text, state: at.state, call: at.call, count: 0 };
    entry.count += 1;
    counts.set(text, entry);
  }
  return [...counts.values()].sort((a, b) => b.count - a.count);
}

/** Draws many threads with similar names as thin lines, and writes how many threads are in each state. */
export function drawCrowd(ctx, view, { name, threads }, y, height) {
  const lineHeight = (height - 4) / threads.length;
  const drawn = Math.min(threads.length, Math.floor(height - 4));
  for (let line = 0; line < drawn; line += 1) {
    const thread = threads[Math.floor((line * threads.length) / drawn)];
    drawThreadBand(ctx, view, thread, y + 2 + line * Math.max(1, lineHeight), Math.max(1, lineHeight - 0.4), false);
  }
  const counts = countThreads(view.model, threads, view.at);
  const sum = counts.reduce((total, { count }) => total + count, 0);
  write(ctx, view, `${formatCount(sum)} × ${name || 'thread'}`, 4, y + 15, { bold: true, max: view.left - 12 });
  let base = y + 32;
  for (const { text, state, call, count } of counts) {
    if (base > y + height) break;
    drawSwatch(ctx, view, state ?? 'ended', STATE_PATTERNS[state] ?? 'outline', 5, base - 9);
    const width = write(ctx, view, formatCount(count), view.left - 8, base, { align: 'right', bold: true });
    write(ctx, view, view.left < 170 ? (call ?? text) : text, 22, base, { size: 12, color: view.theme.muted, max: view.left - width - 36 });
    base += 16;
  }
  if (counts.length > 0) writeLarge(ctx, view, `${formatCount(counts[0].count)} ${counts[0].text}`, y, height);
}

/** The charts of the resource usage. */
export const USAGES = [
  { key: 'cpu', name: 'CPU', unit: 'percent of a core', scale: 'of a core', minimum: 0.1, at: (server, time) => cpuShare(server, time), format: (value) => `${(value * 100).toFixed(value < 0.0995 ? 1 : 0)}%` },
  { key: 'memory', name: 'Memory', unit: 'bytes', minimum: 1 << 20, column: USAGE.MEMORY, format: formatBytes },
  { key: 'threads', name: 'Threads', unit: 'threads', scale: 'threads', minimum: 4, column: USAGE.THREADS, format: formatCount },
  { key: 'descriptors', name: 'Descriptors', unit: 'file descriptors', scale: 'descriptors', minimum: 16, column: USAGE.DESCRIPTORS, format: formatCount },
];

/** Returns the usage at a time, or NaN if the server does not run. */
export function usageAt(server, usage, time) {
  const run = server.runs.findLast(({ from }) => from <= time);
  if (!run || run.to <= time) return NaN;
  if (usage.at) return usage.at(server, time);
  return server.usage.get(server.usage.rowBefore(time), usage.column);
}

/** Returns the largest value of all servers in the view, so that their charts have the same scale. */
export function usageMax(model, view, usage) {
  let max = usage.minimum;
  const column = usage.column ?? USAGE.CPU_SHARE;
  for (const { usage: series } of model.servers) {
    for (let row = Math.max(0, series.rowBefore(view.start)); row < series.length && series.get(row, 0) <= view.end; row += 1) {
      const value = series.get(row, column);
      if (value > max) max = value;
    }
  }
  return max;
}

export function drawUsage(ctx, view, server, usage, y, height) {
  const value = usageAt(server, usage, view.at);
  const text = Number.isFinite(value) ? usage.format(value) : '–';
  const isNarrow = view.left < 150;
  write(ctx, view, usage.name, 4, y + height / 2 + (isNarrow ? -2 : 5), { max: view.left - 12 });
  write(ctx, view, text, view.left - 8, y + height / 2 + (isNarrow ? 14 : 5), { align: 'right', bold: true, size: 14 });
  const top = y + SCALE_HEIGHT;
  const bottom = y + height - 2;
  ctx.fillStyle = view.theme.track;
  ctx.fillRect(view.left, top, view.right - view.left, bottom - top);
  const max = view.usageMax[usage.key];
  writeScale(ctx, view, [usage.format(max), usage.scale].filter(Boolean).join(' '), y);
  if (server.usage.length === 0) return;
  const end = xOf(view, Math.min(view.end, view.start + view.span));
  let [path, from, last] = [undefined, 0, NaN];
  const finish = (x) => {
    if (path) drawArea(ctx, view, path, from, x, last, bottom);
    path = undefined;
  };
  for (let x = Math.max(view.left, xOf(view, server.usage.get(0, 0))); x <= end; x += 1) {
    const now = usageAt(server, usage, view.start + ((x - view.left) / (view.right - view.left)) * view.span);
    if (!Number.isFinite(now)) {
      finish(x);
      continue;
    }
    const at = bottom - Math.min(1, now / max) * (bottom - top);
    if (!path) {
      [path, from] = [new Path2D(), x];
      path.moveTo(x, at);
    } else if (at !== last) {
      path.lineTo(x, last);
      path.lineTo(x, at);
    }
    last = at;
  }
  finish(end);
}

/** Draws a line, whose last point is missing, and the area below it. */
function drawArea(ctx, view, path, from, to, y, bottom) {
  path.lineTo(to, y);
  ctx.strokeStyle = view.theme.text;
  ctx.lineWidth = 1.5;
  ctx.stroke(path);
  path.lineTo(to, bottom);
  path.lineTo(from, bottom);
  ctx.fillStyle = view.theme.blocked;
  ctx.globalAlpha = 0.7;
  ctx.fill(path);
  ctx.globalAlpha = 1;
}

const STEPS_US = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800].map((s) => s * 1e6);

/** Returns the times of the lines of the time axis. */
export function ticksOf(view) {
  const space = ((view.right - view.left) / view.span) * 1;
  const step = STEPS_US.find((candidate) => candidate * space >= 64) ?? STEPS_US.at(-1);
  const ticks = [];
  for (let at = Math.ceil(view.start / step) * step; at <= view.start + view.span; at += step) ticks.push(at);
  return { ticks, digits: step >= 1e6 ? 0 : step >= 1e5 ? 1 : 2 };
}

/** Draws the times, and above them the events of the server and the starts of scenarios. */
export function drawAxis(ctx, view, server, height) {
  const { ticks, digits } = ticksOf(view);
  write(ctx, view, 'Time', 4, height - 6, { color: view.theme.muted });
  for (const at of ticks) {
    const x = xOf(view, at);
    ctx.fillStyle = view.theme.muted;
    ctx.fillRect(Math.round(x), height - 24, 1, 6);
    const text = `${(at / 1e6).toFixed(digits)} s`;
    if (x + 30 < view.right) write(ctx, view, text, Math.max(view.left, x - 8), height - 6, { size: 12, color: view.theme.muted });
  }
  ctx.fillStyle = view.theme.muted;
  ctx.fillRect(view.left, height - 24, view.right - view.left, 1);
  const scenarios = view.model.scenarios.map(({ at, name }) => ({ at, event: `scenario: ${name}` }));
  drawEvents(ctx, view, [...serverEvents(server), ...scenarios].sort((a, b) => a.at - b.at), 0, height - 24, 2);
}

/** The maximum time from the end of a server to its restart. */
const RESTART_US = 1e6;

/** Returns the events of a server. The end and the start of a restart become one event. */
function serverEvents({ events, runs }) {
  const isRestarted = ({ at, event }) => event === 'ended' && runs.some(({ from }) => from >= at && from - at < RESTART_US);
  const name = ({ at, event }) => (event === 'listening' && runs.some(({ to }) => to <= at) ? 'restarted' : event);
  return events.filter((event) => !isRestarted(event)).map((event) => ({ at: event.at, event: name(event) }));
}

/** Draws the grid behind the rows. */
export function drawGrid(ctx, view, height) {
  ctx.fillStyle = view.theme.track;
  for (const at of ticksOf(view).ticks) ctx.fillRect(Math.round(xOf(view, at)), 0, 1, height);
}

/** Draws the cursor, and the periods without lines. */
export function drawOverlay(ctx, view, height) {
  for (const { from, to } of view.model.gaps) {
    const left = Math.max(view.left, xOf(view, from));
    const right = Math.min(view.right, xOf(view, to));
    if (right <= left) continue;
    fillBand(ctx, view, 'closed', 'stripes', left, 0, right - left, height);
    writeInBand(ctx, view, ['no data was received'], left, 0, right - left, 18, view.theme['on-light']);
  }
  if (view.cursor === undefined) return;
  ctx.fillStyle = view.theme.focus;
  ctx.fillRect(Math.round(xOf(view, view.cursor)) - 1, 0, 2, height);
}

export function describeCrowd(model, threads, time) {
  return countThreads(model, threads, time).map(({ text, count }) => [text, plural(count, 'thread')]);
}
