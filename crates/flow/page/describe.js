// Describes rows with exact values, for the box beside the pointer, for screen readers, and for the
// table.
import { C, STATES, SUM, USAGE } from './model.js';
import { STATE_NAMES } from './theme.js';
import { formatBytes, formatCount, formatExact, formatSpeed, formatTime, plural } from './format.js';
import { eventsOf, partsOf, settingsAt } from './draw.js';
import { countStates } from './heat.js';
import { describeCrowd, describeThread, threadAt, threadOf, usageAt } from './bands.js';

/** Describes what a client does, except its speed. */
export function describeSettings(settings) {
  const parts = [];
  if (settings.receive_buffer !== undefined) parts.push(`receive buffer ${formatBytes(settings.receive_buffer)}`);
  if (settings.upload > 0) parts.push(`uploads ${formatBytes(settings.upload)}${settings.upload_first ? ' before it reads' : ''}`);
  if (settings.half_close) parts.push('half-closes');
  if (settings.reset_after !== undefined) parts.push(`resets after ${formatBytes(settings.reset_after)}`);
  if (settings.never_close) parts.push('never closes');
  return parts.join(', ');
}

/** The values of a connection at a time. The bytes of the parts add up to the length of the reply. */
export function connectionValues(model, connection, time) {
  const { series } = connection;
  const row = series.rowBefore(time);
  const [read, received, written, processed] = partsOf(series, row);
  const total = model.totalBytes(connection.server);
  const settings = settingsAt(connection, time);
  const has = (column) => Number.isFinite(series.get(row, column));
  return {
    state: STATES[series.get(row, C.STATE)],
    speed: settings ? formatSpeed(settings.speed) : undefined,
    settings: settings ? describeSettings(settings) : '',
    read,
    receive: has(C.RECEIVED) ? received - read : NaN,
    send: has(C.WRITTEN) ? written - received : NaN,
    process: has(C.IN_PROCESS) && processed <= total ? processed - written : NaN,
    unwritten: has(C.WRITTEN) ? Math.max(0, total - (has(C.IN_PROCESS) && processed <= total ? processed : written)) : NaN,
    total,
    receiveQueue: series.get(row, C.RECEIVE_QUEUE),
    sendQueue: series.get(row, C.SEND_QUEUE),
    uploaded: series.get(row, C.UPLOADED),
    chunks: series.get(row, C.CHUNKS),
  };
}

const withKernel = (value, queue) => (Number.isFinite(queue) ? `kernel: ${formatCount(queue)}` : Number.isFinite(value) ? 'no kernel value' : '');

function describeConnection(view, connection) {
  if (view.at < connection.begin) return { title: `Connection #${connection.number}`, items: [['State', 'not connected yet']] };
  const values = connectionValues(view.model, connection, view.at);
  const items = [
    ['State', values.state ? STATE_NAMES[values.state][0] : 'unknown'],
    ['Client', values.speed ? [`speed ${values.speed}`, values.settings].filter(Boolean).join(', ') : 'not started by flow'],
    ['Not yet written', formatExact(values.unwritten)],
  ];
  if (Number.isFinite(values.process)) items.push(['In the process', formatExact(values.process)]);
  items.push(
    ['In the send buffer', formatExact(values.send), withKernel(values.send, values.sendQueue)],
    ['In the receive buffer', formatExact(values.receive), withKernel(values.receive, values.receiveQueue)],
    ['Read by the client', formatExact(values.read)],
    ['Length of the reply', formatExact(values.total)],
  );
  if (values.uploaded > 0) items.push(['Sent by the client', formatExact(values.uploaded)]);
  if (values.chunks > 0) items.push(['Chunks', formatCount(values.chunks)]);
  const near = view.span / 60;
  for (const { at, event, details } of eventsOf(connection).filter(({ at }) => Math.abs(at - view.at) < near).slice(0, 4)) {
    items.push([`Event at ${formatTime(at)}`, [event.replaceAll('_', ' '), details].filter(Boolean).join(': ')]);
  }
  return { title: `Connection #${connection.number}`, items };
}

function describeSum(view, server) {
  const { sum } = server;
  const row = sum.rowBefore(view.at);
  const value = (column) => (row < 0 ? 0 : sum.get(row, column));
  return {
    title: 'All open connections',
    items: [
      ['Open connections', formatCount(value(SUM.OPEN))],
      ['Not yet written', formatExact(Math.max(0, value(SUM.OPEN) * view.model.totalBytes(server) - value(SUM.WRITTEN)))],
      ['In send buffers', formatExact(value(SUM.WRITTEN) - value(SUM.RECEIVED))],
      ['In receive buffers', formatExact(value(SUM.RECEIVED) - value(SUM.READ))],
      ['Read by the clients', formatExact(value(SUM.READ))],
    ],
  };
}

function describeStates(view, connections) {
  return [...countStates(connections, view.at)].filter(([, count]) => count > 0).map(([state, count]) => [STATE_NAMES[state][0], formatCount(count)]);
}

/** Returns the connections at a height in the heat map. */
export function connectionsAt(connections, fraction, height) {
  const perLine = Math.max(1, connections.length / Math.max(1, height));
  const first = Math.min(connections.length - 1, Math.max(0, Math.floor(fraction * connections.length)));
  return connections.slice(first, first + Math.max(1, Math.round(perLine)));
}

function describeHeat(view, { connections }, row, fraction) {
  if (fraction === undefined) return { title: plural(connections.length, 'connection'), items: describeStates(view, connections) };
  const some = connectionsAt(connections, fraction, row.height);
  if (some.length === 1) return describeConnection(view, some[0]);
  return { title: `Connections #${some[0].number} to #${some.at(-1).number}`, items: describeStates(view, some) };
}

/**
 * Describes a row at the view's time. `fraction` is the height of the pointer in the row, from 0 to
 * 1, or undefined.
 */
export function describeRow(view, server, row, fraction) {
  const { kind, item } = row;
  if (kind === 'connection') return describeConnection(view, item);
  if (kind === 'sum') return describeSum(view, server);
  if (kind === 'heat') return describeHeat(view, item, row, fraction);
  if (kind === 'thread') {
    const thread = threadOf(item, view.at);
    const items = [['State', describeThread(threadAt(view.model, thread, view.at))], ['Thread id', String(thread.number)]];
    return { title: `Thread ${thread.name}`, items };
  }
  if (kind === 'crowd') return { title: `Threads with the name ${item.name}`, items: describeCrowd(view.model, item.threads, view.at) };
  if (kind === 'usage') {
    const value = usageAt(server, item, view.at);
    const isBytes = item.column === USAGE.MEMORY;
    const text = isBytes ? formatExact(value) : Number.isFinite(value) ? `${item.format(value)}${item.key === 'cpu' ? ' of a core' : ''}` : 'unknown';
    return { title: item.name, items: [[isBytes ? 'Resident anonymous memory' : item.name, text]] };
  }
  return { title: row.text ?? '', items: [] };
}
