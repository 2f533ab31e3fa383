// The legend, and the table of all values at a time, for people who cannot see the charts.
import { el, formatBytes, formatCount, formatExact, formatTime, plural, withCode } from './format.js';
import { STATE_NAMES, STATE_PATTERNS } from './theme.js';
import { drawSwatch } from './draw.js';
import { countThreads, describeThread, threadAt, usageAt, USAGES } from './bands.js';
import { connectionValues } from './describe.js';
import { itemsInView, sizeCanvas } from './strips.js';

/** The table shows at most this number of connections per server, so that it does not delay the charts. */
const TABLE_ROWS_MAX = 50;

const PARTS_LEGEND = [
  ['read', 'plain', 'Read by the client', 'The client counts the bytes that it has read from its socket.'],
  ['receive', 'dots', 'In the receive buffer', "Bytes that the client's kernel received (`tcpi_bytes_received`), minus bytes that the client read. The kernel's own value is `Recv-Q` of `ss`."],
  ['send', 'stripes', 'In the send buffer', "Bytes that the server wrote, minus bytes that the client's kernel received. Written bytes are the bytes that the server's socket sent, without retransmissions, and the bytes that it has not sent yet. The kernel's own value is `Send-Q` of `ss`."],
  ['process', 'grid', 'In the process', 'Bytes that the server has read from the file and not yet written. The value is known only for a process that reads with a file offset and has one open connection.'],
  ['track', 'plain', 'Not yet written', 'The length of the preamble and of the file, minus all other parts. The height of a row is the length of the whole reply.'],
];

const STATES_LEGEND = [
  ['connected', 'Connected', 'The connection waits in the accept queue, or the server has not written anything.'],
  ['writing', 'Writing', 'The server wrote bytes since the previous sample, or its send buffer is empty.'],
  ['waiting', 'Waiting for send-buffer space', 'The reply is not complete, and the server wrote nothing since the previous sample.'],
  ['draining', 'Draining', 'The server has written the whole reply, or it has sent its FIN.'],
  ['closed', 'Closed', 'Both ends closed the connection.'],
  ['reset', 'Reset', 'One end reset the connection.'],
];

const THREADS_LEGEND = [
  ['running', 'Running', 'The thread used a core during most of the sample (`/proc/PID/task/TID/schedstat`), or it runs at the time of the sample (`syscall`).'],
  ['runnable', 'Runnable', 'The thread waits for a core.'],
  ['blocked', 'Blocked', 'The thread waits in a system call. The band names the call (`/proc/PID/task/TID/syscall`).'],
];

const OTHER_LEGEND = [
  ['Events', "A vertical line is an event in the server's log, such as `file_ended`."],
  ['CPU', 'The CPU time of all threads, per second. 100% is one core.'],
  ['Memory', "The resident anonymous memory of the server's processes (`RssAnon` in `/proc/PID/status`)."],
  ['Descriptors', "The open file descriptors of the server's processes (`/proc/PID/fd`)."],
];

const KEYBOARD = 'Keyboard: the Left and Right keys move the cursor in time, and with Shift, they move it further. Up and Down select a row. Home and End move to the ends. + and − zoom. Space pauses. Enter opens a row that stands for many rows. Escape removes the cursor.';

/** The colors that the lines above the charts name: bytes, connections, and threads. */
const KEY = [
  ['Bytes', [['track', 'plain', 'not yet written'], ['send', 'stripes', 'in the send buffer'], ['receive', 'dots', 'in the receive buffer'], ['read', 'plain', 'read by the client']]],
  ['Connections', ['connected', 'writing', 'waiting', 'draining'].map((state) => [state, STATE_PATTERNS[state], STATE_NAMES[state].at(-1)])],
  ['Threads', [['running', 'plain', 'running'], ['runnable', 'bars', 'runnable'], ['blocked', 'outline', 'blocked in a system call']]],
];

/** Creates the lines above the charts that name the colors. */
export function createKey(swatches, model) {
  const entry = ([key, pattern, name]) => el('span', {}, swatch(swatches, key, pattern), name);
  const groups = KEY.filter(([name]) => name !== 'Threads' || model.hasKernelValues).map(([name, entries]) => el('div', {}, el('b', {}, name), ...entries.map(entry)));
  const height = `The height of a connection's row is the whole reply: ${formatBytes(model.header.file_bytes)}.`;
  groups[0].append(el('span', {}, height));
  return el('div', { class: 'flow-key' }, ...groups);
}

function swatch(swatches, key, pattern) {
  const canvas = el('canvas', { 'aria-hidden': 'true' });
  swatches.push({ canvas, key, pattern });
  return canvas;
}

/** Creates the legend. The swatches are drawn later, when the colors are known. */
export function createLegend(swatches) {
  const entry = (key, pattern, name, text) => el('div', {}, el('dt', {}, swatch(swatches, key, pattern), name), el('dd', {}, ...withCode(text)));
  const states = (list) => list.map(([key, name, text]) => entry(key, STATE_PATTERNS[key], name, text));
  const parts = PARTS_LEGEND.map((values) => entry(...values));
  const others = OTHER_LEGEND.map(([name, text]) => el('div', {}, el('dt', {}, name), el('dd', {}, ...withCode(text))));
  const group = (name, entries) => [el('p', {}, el('b', {}, name)), el('dl', { class: 'flow-legend' }, ...entries)];
  return el('details', { class: 'flow-more' }, el('summary', {}, 'Legend: what each value means, and where it comes from'),
    ...group('The bytes of a connection', parts), ...group('The states of a connection', states(STATES_LEGEND)),
    ...group('The states of a thread', states(THREADS_LEGEND)), ...group('Other values', others), el('p', {}, KEYBOARD));
}

export function drawSwatches(view, swatches) {
  for (const { canvas, key, pattern } of swatches) {
    const ctx = canvas.getContext('2d');
    sizeCanvas(canvas, 34, 18, view.dpr);
    ctx.setTransform(view.dpr, 0, 0, view.dpr, 0, 0);
    ctx.clearRect(0, 0, 34, 18);
    drawSwatch(ctx, view, key, pattern, 0, 0, 34, 18);
    if (key !== 'track') continue;
    ctx.strokeStyle = view.theme.line;
    ctx.strokeRect(0.5, 0.5, 33, 17);
  }
}

function table(caption, heads, rows) {
  const head = el('tr', {}, ...heads.map((text) => el('th', { scope: 'col' }, text)));
  const body = rows.map(([first, ...others]) => el('tr', {}, el('th', { scope: 'row' }, first), ...others.map((text) => el('td', {}, text))));
  return el('table', {}, el('caption', {}, caption), el('thead', {}, head), el('tbody', {}, ...body));
}

const CONNECTION_HEADS = [
  'Connection', 'State', 'Speed of the client', 'Not yet written', 'In the process', 'In the send buffer', "Kernel's Send-Q", 'In the receive buffer',
  "Kernel's Recv-Q", 'Read by the client', 'Sent by the client', 'Chunks',
];

function connectionRow(view, connection) {
  const values = connectionValues(view.model, connection, view.at);
  return [
    `#${connection.number}`, values.state ? STATE_NAMES[values.state][0] : 'unknown', values.speed ?? 'other program',
    formatExact(values.unwritten), formatExact(values.process), formatExact(values.send), formatCount(values.sendQueue), formatExact(values.receive),
    formatCount(values.receiveQueue), formatExact(values.read), formatExact(values.uploaded), formatCount(values.chunks),
  ];
}

function threadTable(view, server) {
  const threads = itemsInView(view, server.threads);
  const caption = `${server.name}: threads`;
  if (threads.length <= TABLE_ROWS_MAX) {
    return table(caption, ['Thread', 'State'], threads.map((thread) => [thread.name || String(thread.number), describeThread(threadAt(view.model, thread, view.at))]));
  }
  return table(caption, ['State', 'Threads'], countThreads(view.model, threads, view.at).map(({ text, count }) => [text, formatCount(count)]));
}

function serverTables(view, server) {
  const connections = itemsInView(view, server.connections).filter(({ begin }) => begin <= view.at);
  const shown = connections.slice(0, TABLE_ROWS_MAX);
  const omitted = connections.length - shown.length;
  const caption = `${server.name}: ${plural(connections.length, 'connection')}${omitted > 0 ? `, of which the table shows the first ${TABLE_ROWS_MAX}` : ''}`;
  const usage = USAGES.map((entry) => {
    const value = usageAt(server, entry, view.at);
    return [entry.name, Number.isFinite(value) ? entry.format(value) : 'unknown', entry.unit];
  });
  return [
    table(caption, CONNECTION_HEADS, shown.map((connection) => connectionRow(view, connection))),
    threadTable(view, server),
    table(`${server.name}: resource usage`, ['Resource', 'Value', 'Unit'], usage),
  ];
}

/** Creates the table. Returns the element, and a function that updates the table if it is open. */
export function createTable() {
  const title = el('summary', {}, 'Table: all values at the cursor');
  const box = el('div', { class: 'flow-scroll', tabindex: '0', role: 'region', 'aria-label': 'Table of the values' });
  const element = el('details', { class: 'flow-more' }, title, box);
  let shownAt;
  const update = (view) => {
    if (!element.open || shownAt === view.at) return;
    shownAt = view.at;
    const { scrollTop, scrollLeft } = box;
    box.replaceChildren(el('p', {}, `Values at ${formatTime(view.at)}`), ...view.model.servers.filter(({ runs }) => runs.length > 0).flatMap((server) => serverTables(view, server)));
    box.scrollTo(scrollLeft, scrollTop);
  };
  return { element, update };
}
