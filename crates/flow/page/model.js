// Applies the lines of a trace, and keeps their values. The crate `flow-trace` defines the format.
import { Series } from './series.js';

/** The version of the format that this page reads: `VERSION` in the crate `flow-trace`. */
export const TRACE_VERSION = 1;

export const STATES = ['connected', 'writing', 'waiting', 'draining', 'closed', 'reset'];
export const THREAD_STATES = ['running', 'runnable', 'blocked', 'ended'];

/** The columns of a connection's values. */
export const C = {
  TIME: 0, STATE: 1, WRITTEN: 2, RECEIVED: 3, READ: 4, SEND_QUEUE: 5, RECEIVE_QUEUE: 6, IN_PROCESS: 7, UPLOADED: 8, CHUNKS: 9, COUNT: 10,
};
/** The columns of the sum of a server's open connections. The number of connections per state follows. */
export const SUM = { TIME: 0, WRITTEN: 1, RECEIVED: 2, READ: 3, OPEN: 4, COUNT: 5 };
export const USAGE = { TIME: 0, THREADS: 1, MEMORY: 2, DESCRIPTORS: 3, CPU: 4, CPU_SHARE: 5, COUNT: 6 };
export const THREAD = { TIME: 0, STATE: 1, CALL: 2, COUNT: 3 };

/** The names of the fields of `connection` lines, except `state`, and their columns. */
const CONNECTION_FIELDS = [
  ['written', C.WRITTEN], ['received', C.RECEIVED], ['read', C.READ], ['send_queue', C.SEND_QUEUE], ['receive_queue', C.RECEIVE_QUEUE],
  ['in_process', C.IN_PROCESS], ['uploaded', C.UPLOADED], ['chunks', C.CHUNKS],
];
const USAGE_FIELDS = [['threads', USAGE.THREADS], ['memory_bytes', USAGE.MEMORY], ['descriptors', USAGE.DESCRIPTORS], ['cpu_us', USAGE.CPU]];

/**
 * The model drops its oldest rows if it has more than this number of rows. A row of a connection has
 * 80 bytes, so the rows occupy at most about 160 MB, even if the tables have just grown.
 */
const ROWS_MAX = 1_000_000;
const KEPT_US = 15 * 60e6;
const DROP_INTERVAL_US = 1e6;
const RUNS_MAX = 100;
/** Rows of a server's sum are at least this far apart, because each connection has its own times. */
const SUM_INTERVAL_US = 20_000;

export class Model {
  constructor() {
    this.header = undefined;
    this.servers = [];
    /** The time of the latest line, and the time before which the values were dropped. */
    this.now = 0;
    this.begin = 0;
    this.isComplete = false;
    this.scenarios = [];
    /** The periods whose lines are missing. */
    this.gaps = [];
    this.isAfterGap = false;
    /** The time of the end of a gap, and the items that the lines after it have not mentioned. */
    this.missing = undefined;
    this.calls = [];
    this.callNumbers = new Map();
    this.rows = 0;
    this.lastDrop = 0;
    /** Increases if a connection, a thread or a note is added. */
    this.structure = 0;
    this.onNote = () => {};
  }

  /** Applies the first line of a trace. Throws an error if the page cannot read the trace. */
  setHeader(header) {
    if (typeof header?.flow_trace !== 'number') throw new Error('this is not a trace: the first line does not contain `flow_trace`');
    if (header.flow_trace !== TRACE_VERSION) {
      throw new Error(`the trace has version ${header.flow_trace}, but this page reads only version ${TRACE_VERSION}`);
    }
    this.header = header;
    this.servers = header.servers.map((name, index) => ({
      index, name: String(name), preambleBytes: undefined, runs: [], isOnDemand: false,
      connections: new Map(), threads: new Map(), usage: new Series(USAGE.COUNT),
      sum: new Series(SUM.COUNT), totals: new Float64Array(SUM.COUNT), events: [],
    }));
  }

  get hasKernelValues() {
    return this.header?.system === 'linux';
  }

  totalBytes(server) {
    return this.header.file_bytes + (server.preambleBytes ?? 0);
  }

  /**
   * Marks that lines are missing between the previous line and a time. If the time is undefined, the
   * gap ends at the next line. Otherwise, the lines with this time mention each connection and each
   * thread that still exists, so the others have ended.
   */
  addGap(until) {
    if (until === undefined) {
      this.isAfterGap = true;
      return;
    }
    const items = this.servers.flatMap(({ connections, threads }) => [...connections.values(), ...threads.values()]);
    this.missing = { at: until, items: new Set(items.filter(({ end }) => end === undefined)) };
    this.endGap(until);
  }

  endGap(at) {
    if (this.now === 0) this.begin = at;
    else if (at > this.now) this.gaps.push({ from: this.now, to: at });
    this.isAfterGap = false;
  }

  apply(line) {
    const at = Number(line.at_us);
    const server = this.servers[line.server];
    if (!Number.isFinite(at) || (line.server !== undefined && !server)) return;
    if (this.isAfterGap) this.endGap(at);
    if (this.missing && at !== this.missing.at) this.endMissing();
    if (at > this.now) this.now = at;
    const method = APPLY[line.type];
    if (method) method(this, line, at, server);
    if (this.now - this.lastDrop > DROP_INTERVAL_US) this.dropOld();
  }

  connection(server, number, at) {
    let connection = server.connections.get(number);
    if (!connection) {
      connection = { number, server, begin: at, end: undefined, series: new Series(C.COUNT), settings: [], events: [] };
      server.connections.set(number, connection);
      this.structure += 1;
    }
    this.missing?.items.delete(connection);
    return connection;
  }

  /** Ends the connections and threads that ended during the last gap. */
  endMissing() {
    const { at, items } = this.missing;
    this.missing = undefined;
    for (const item of items) {
      if (item.settings) endConnection(this, item, at);
      else endThread(this, item, at);
    }
  }

  callNumber(call) {
    if (call === undefined) return NaN;
    let number = this.callNumbers.get(call);
    if (number === undefined) {
      number = this.calls.push(call) - 1;
      this.callNumbers.set(call, number);
    }
    return number;
  }

  /** Adds a row to a table, or returns the position of the last row if it has the same time. */
  addRow(series, at) {
    const before = series.length;
    const position = series.rowAt(at);
    this.rows += series.length - before;
    return position;
  }

  dropOld() {
    this.lastDrop = this.now;
    const isLong = this.now - this.begin > KEPT_US * 1.1;
    if (!isLong && this.rows < ROWS_MAX) return;
    this.begin = isLong ? this.now - KEPT_US : this.begin + (this.now - this.begin) / 4;
    const isOld = ({ at, to }) => (at ?? to) < this.begin;
    for (const list of [this.gaps, this.scenarios]) list.splice(0, list.findLastIndex(isOld) + 1);
    for (const server of this.servers) {
      const drop = (series) => (this.rows -= series.dropBefore(this.begin));
      drop(server.usage);
      drop(server.sum);
      server.events.splice(0, server.events.findLastIndex(isOld) + 1);
      for (const items of [server.connections, server.threads]) {
        for (const [key, item] of items) {
          drop(item.series);
          if (item.end < this.begin) {
            items.delete(key);
            this.rows -= item.series.length + (item.events?.length ?? 0);
          } else if (item.events) {
            const old = item.events.findLastIndex(isOld) + 1;
            item.events.splice(0, old);
            this.rows -= old;
            // The settings before the first kept time are still valid.
            item.settings.splice(0, item.settings.findLastIndex(isOld));
          }
        }
      }
    }
  }
}

export function isRunning(server) {
  return server.runs.length > 0 && server.runs.at(-1).to === undefined;
}

/** Adds the difference of two rows of a connection to the server's totals. */
function addToTotals(totals, data, position, sign) {
  const known = (column) => (Number.isNaN(data[position + column]) ? 0 : data[position + column]);
  const read = known(C.READ);
  const received = Math.max(read, known(C.RECEIVED));
  totals[SUM.WRITTEN] += sign * Math.max(received, known(C.WRITTEN));
  totals[SUM.RECEIVED] += sign * received;
  totals[SUM.READ] += sign * read;
  totals[SUM.OPEN] += sign;
}

function addSum(model, server, at) {
  const { sum, totals } = server;
  const isNew = sum.length === 0 || at - sum.last(SUM.TIME) >= SUM_INTERVAL_US;
  const position = model.addRow(sum, isNew ? at : sum.last(SUM.TIME));
  sum.data.set(totals.subarray(1), position + 1);
}

/** Adds the start or the end of a server's process. After a gap, a line can contain both. */
function applyServer(model, line, at, server) {
  const { runs } = server;
  if (line.command === undefined && line.ended === undefined) {
    // The length of the preamble is known only after the first reply.
    server.preambleBytes = line.preamble_bytes;
    return;
  }
  if (line.command !== undefined) {
    // Some servers run only during a scenario. They start after the first sample of other servers.
    if (runs.length === 0) server.isOnDemand = model.servers.some(({ usage }) => usage.length > 0);
    runs.push({ from: at, to: undefined, ended: undefined, command: String(line.command ?? '') });
    if (runs.length > RUNS_MAX) runs.shift();
    server.preambleBytes = line.preamble_bytes;
  }
  if (line.ended !== undefined) {
    if (!isRunning(server)) runs.push({ from: at, command: '' });
    Object.assign(runs.at(-1), { to: at, ended: String(line.ended) });
    server.events.push({ at, event: 'ended', details: String(line.ended) });
    for (const thread of server.threads.values()) endThread(model, thread, at);
  }
  model.structure += 1;
}

function applyClient(model, line, at, server) {
  const connection = model.connection(server, line.connection, at);
  connection.settings.push({ at, ...line });
}

function applyConnection(model, line, at, server) {
  const connection = model.connection(server, line.connection, at);
  const { series } = connection;
  const isOpen = connection.end === undefined;
  if (isOpen && series.length > 0) addToTotals(server.totals, series.data, (series.length - 1) * C.COUNT, -1);
  const position = model.addRow(series, at);
  for (const [field, column] of CONNECTION_FIELDS) {
    if (line[field] !== undefined) series.data[position + column] = line[field];
  }
  if (line.state !== undefined) {
    const state = STATES.indexOf(line.state);
    series.data[position + C.STATE] = state < 0 ? NaN : state;
    if (line.state === 'closed' || line.state === 'reset') connection.end = at;
  }
  if (isOpen) {
    if (connection.end === undefined) addToTotals(server.totals, series.data, position, 1);
    addSum(model, server, at);
  }
}

function endConnection(model, connection, at) {
  const { server, series } = connection;
  connection.end = at;
  if (series.length === 0) return;
  addToTotals(server.totals, series.data, (series.length - 1) * C.COUNT, -1);
  addSum(model, server, at);
}

function applyThread(model, line, at, server) {
  let thread = server.threads.get(line.thread);
  // The threads of a server that has ended are already marked.
  if (line.state === 'ended' && thread?.end !== undefined) return;
  if (!thread || thread.end !== undefined) {
    // The system reuses the ids of threads. The page still shows the thread that has ended.
    if (thread) server.threads.set(`${line.thread}, until ${thread.end}`, thread);
    thread = { number: line.thread, server, name: '', group: '', begin: at, end: undefined, series: new Series(THREAD.COUNT) };
    server.threads.set(line.thread, thread);
    model.structure += 1;
  }
  model.missing?.items.delete(thread);
  if (line.name !== undefined) {
    thread.name = String(line.name);
    thread.group = thread.name.replace(/[\s:#_-]*\d+$/, '');
  }
  const state = THREAD_STATES.indexOf(line.state);
  if (line.state === 'ended') {
    endThread(model, thread, at);
    return;
  }
  const position = model.addRow(thread.series, at);
  thread.series.data[position + THREAD.STATE] = state < 0 ? NaN : state;
  thread.series.data[position + THREAD.CALL] = model.callNumber(line.call);
}

function endThread(model, thread, at) {
  if (thread.end !== undefined) return;
  thread.end = at;
  const position = model.addRow(thread.series, at);
  thread.series.data[position + THREAD.STATE] = THREAD_STATES.indexOf('ended');
  thread.series.data[position + THREAD.CALL] = NaN;
  model.structure += 1;
}

/** Adds the values of a `usage` line, and computes the CPU use since the previous sample. */
function applyUsage(model, line, at, server) {
  const { usage } = server;
  const before = usage.last(USAGE.TIME);
  const cpuBefore = usage.last(USAGE.CPU);
  const position = model.addRow(usage, at);
  for (const [field, column] of USAGE_FIELDS) {
    if (line[field] !== undefined) usage.data[position + column] = line[field];
  }
  const distance = at - before;
  if (!(distance > 0)) return;
  const share = (usage.data[position + USAGE.CPU] - cpuBefore) / distance;
  usage.data[position + USAGE.CPU_SHARE] = share < 0 ? NaN : share;
}

/** Returns a server's CPU use in cores during the sample before a time, or NaN if it is unknown. */
export function cpuShare(server, time) {
  return server.usage.get(server.usage.rowBefore(time), USAGE.CPU_SHARE);
}

function applyEvent(model, line, at, server) {
  const event = { at, event: String(line.event), details: String(line.details ?? '') };
  if (line.connection === undefined) {
    server.events.push(event);
  } else {
    model.rows += 1;
    const connection = model.connection(server, line.connection, at);
    connection.events.push(event);
    // A connection that was shorter than the interval of the samples has no values.
    if (event.event === 'disconnected' && connection.series.length === 0) connection.end = at;
  }
}

function applyNote(model, line, at) {
  const note = { at, message: String(line.message) };
  model.structure += 1;
  model.onNote(note);
}

const APPLY = {
  server: applyServer,
  client: applyClient,
  connection: applyConnection,
  thread: applyThread,
  usage: applyUsage,
  event: applyEvent,
  note: applyNote,
  scenario: (model, line, at) => model.scenarios.push({ at, name: String(line.name) }),
  end: (model) => (model.isComplete = true),
};

/** Applies a whole trace. Returns a warning if the trace is truncated. */
export function readTrace(model, text) {
  const lines = text.split('\n');
  let header;
  try {
    header = JSON.parse(lines[0]);
  } catch {
    throw new Error('this is not a trace: the first line is not JSON');
  }
  model.setHeader(header);
  for (let number = 1; number < lines.length; number += 1) {
    if (lines[number] === '') continue;
    let line;
    try {
      line = JSON.parse(lines[number]);
    } catch {
      if (number < lines.length - 1) throw new Error(`line ${number + 1} of the trace is not JSON`);
      break;
    }
    model.apply(line);
  }
  if (model.isComplete) return undefined;
  return `The trace is truncated: its last line is missing. The page shows the first ${(model.now / 1e6).toFixed(1)} s.`;
}
