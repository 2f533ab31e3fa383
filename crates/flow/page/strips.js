// A strip is a canvas with rows that share a time axis: the connections, the threads or the resource
// usage of a server. A strip that is higher than its box scrolls, and draws only the visible rows.
import { el } from './format.js';
import { drawConnection, drawSum, write } from './draw.js';
import { drawHeat } from './heat.js';
import { drawCrowd, drawGrid, drawOverlay, drawThread, drawUsage, USAGES } from './bands.js';

/** Above this number of connections, a heat map replaces the rows. */
export const ROWS_MAX_SINGLE = 30;
/** Above this number, threads with similar names share a row. */
const THREADS_MAX_SINGLE = 8;
const LANES_MAX = 100;

function isInView(view, { begin, end }) {
  return begin <= view.end && !(end < view.start);
}

/** Returns the items that exist in the period of the view. */
export function itemsInView(view, items) {
  const found = [];
  for (const item of items.values()) if (isInView(view, item)) found.push(item);
  return found;
}

function heightOfConnection(count) {
  if (count <= 2) return 124;
  if (count <= 4) return 88;
  if (count <= 8) return 68;
  return count <= 14 ? 48 : 34;
}

function singleRows(connections) {
  const height = heightOfConnection(connections.length);
  return connections.map((item) => ({ kind: 'connection', key: item.number, item, height }));
}

/** If there are many connections, but only few of them are open, the others share a heat map. */
export function connectionRows(view, server, open) {
  const connections = itemsInView(view, server.connections).sort((a, b) => a.number - b.number);
  if (connections.length === 0) return [{ kind: 'empty', key: 'empty', text: view.emptyText, height: 64 }];
  if (connections.length <= ROWS_MAX_SINGLE || open.has('connections')) return singleRows(connections);
  const isEnded = ({ end }) => end <= view.end;
  const opened = connections.filter((connection) => !isEnded(connection));
  if (opened.length > 0 && opened.length <= ROWS_MAX_SINGLE) {
    return [...singleRows(opened), { kind: 'heat', key: 'heat', item: { connections: connections.filter(isEnded) }, height: 84 }];
  }
  const height = Math.min(150, Math.max(100, connections.length * 2));
  return [
    { kind: 'sum', key: 'sum', height: 100 },
    { kind: 'heat', key: 'heat', item: { connections }, height },
  ];
}

/** Combines threads that do not exist at the same time, so that they share a row. */
function lanesOf(threads) {
  const lanes = [];
  for (const thread of threads.toSorted((a, b) => a.begin - b.begin)) {
    const lane = lanes.find((members) => members.at(-1).end <= thread.begin);
    if (lane) lane.push(thread);
    else lanes.push([thread]);
  }
  return lanes;
}

export function threadRows(view, server, open) {
  const threads = itemsInView(view, server.threads);
  if (threads.length === 0) return [{ kind: 'empty', key: 'empty', text: 'No values of threads.', height: 26 }];
  const groups = new Map();
  for (const thread of threads) {
    const members = groups.get(thread.group);
    if (members) members.push(thread);
    else groups.set(thread.group, [thread]);
  }
  const rows = [];
  for (const [name, members] of groups) {
    const isOpen = open.has(`threads ${name}`);
    // Finding the lanes of very many threads would take too long.
    const lanes = members.length < LANES_MAX ? lanesOf(members) : members.map((thread) => [thread]);
    if (lanes.length > THREADS_MAX_SINGLE && !isOpen) {
      rows.push({ kind: 'crowd', key: `threads ${name}`, item: { name, threads: members }, height: 66 });
    } else {
      for (const [index, lane] of lanes.entries()) rows.push({ kind: 'thread', key: `${name} ${index}`, item: lane, height: 34 });
    }
  }
  return rows;
}

export function usageRows() {
  return USAGES.map((usage) => ({ kind: 'usage', key: usage.key, item: usage, height: 46 }));
}

function drawRow(ctx, view, server, { kind, item, text }, y, height) {
  if (kind === 'connection') drawConnection(ctx, view, item, y, height);
  else if (kind === 'sum') drawSum(ctx, view, server, y, height);
  else if (kind === 'heat') drawHeat(ctx, view, server, item.connections, y + 2, height - 4);
  else if (kind === 'thread') drawThread(ctx, view, item, y, height);
  else if (kind === 'crowd') drawCrowd(ctx, view, item, y, height);
  else if (kind === 'usage') drawUsage(ctx, view, server, item, y, height);
  else write(ctx, view, text, view.left, y + 20, { color: view.theme.muted, max: view.right - view.left });
}

/** Changes the size of a canvas only if necessary, because a change clears the canvas. */
export function sizeCanvas(canvas, width, height, dpr) {
  const [w, h] = [Math.round(width * dpr), Math.round(height * dpr)];
  if (canvas.width === w && canvas.height === h) return;
  canvas.width = w;
  canvas.height = h;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
}

export class Strip {
  /**
   * @param {object} player The player, which gets the events of the pointer and of the keyboard.
   * @param {Function} layout Returns the rows of the strip.
   */
  constructor(player, server, label, layout, maxHeight) {
    this.player = player;
    this.server = server;
    this.layout = layout;
    this.maxHeight = maxHeight;
    this.rows = [];
    this.total = 0;
    this.open = new Set();
    this.canvas = el('canvas', { 'aria-hidden': 'true' });
    this.context = this.canvas.getContext('2d', { alpha: false });
    this.spacer = el('div', {}, this.canvas);
    this.element = el('div', { class: 'flow-strip', tabindex: '0', role: 'application', 'aria-label': label }, this.spacer);
    this.element.style.maxHeight = `${maxHeight}px`;
    this.element.addEventListener('scroll', () => player.invalidate(), { passive: true });
    this.element.addEventListener('pointermove', (event) => player.hover(this, event));
    this.element.addEventListener('pointerleave', () => player.hover(undefined));
    this.element.addEventListener('pointerdown', (event) => player.startDrag(this, event));
    this.element.addEventListener('click', (event) => player.click(this, event));
    this.element.addEventListener('wheel', (event) => player.wheel(event), { passive: false });
    this.element.addEventListener('keydown', (event) => player.key(this, event));
    this.element.addEventListener('focus', () => player.focusStrip(this));
    this.element.addEventListener('blur', () => player.focusStrip(undefined));
  }

  /** Returns the row at a height below the top of the strip's content. */
  rowAt(y) {
    return this.rows.find((row) => y >= row.y && y < row.y + row.height);
  }

  /** Scrolls a row into view. */
  reveal(row) {
    const { element } = this;
    if (row.y < element.scrollTop) element.scrollTop = row.y;
    else if (row.y + row.height > element.scrollTop + element.clientHeight) element.scrollTop = row.y + row.height - element.clientHeight;
  }

  update(view) {
    this.rows = this.layout(view, this.server, this.open);
    let y = 0;
    for (const row of this.rows) {
      row.y = y;
      y += row.height;
    }
    if (y === this.total) return;
    this.total = y;
    this.spacer.style.height = `${y}px`;
  }

  /** Draws the rows that are visible. */
  render(view, focusKey) {
    const height = Math.min(this.total, this.maxHeight);
    const scroll = this.total > height ? Math.round(this.element.scrollTop) : 0;
    const { context: ctx } = this;
    sizeCanvas(this.canvas, view.width, height, view.dpr);
    ctx.setTransform(view.dpr, 0, 0, view.dpr, 0, 0);
    ctx.fillStyle = view.theme.panel;
    ctx.fillRect(0, 0, view.width, height);
    drawGrid(ctx, view, height);
    ctx.translate(0, -scroll);
    view.top = -scroll;
    for (const row of this.rows) {
      if (row.y + row.height < scroll || row.y > scroll + height) continue;
      drawRow(ctx, view, this.server, row, row.y, row.height);
      if (row.key !== focusKey) continue;
      ctx.strokeStyle = view.theme.focus;
      ctx.lineWidth = 2;
      ctx.strokeRect(1, row.y + 1, view.width - 2, row.height - 2);
    }
    ctx.translate(0, scroll);
    drawOverlay(ctx, view, height);
  }
}
