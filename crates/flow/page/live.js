// The page of the program `flow`: connects the player to the stream of lines, and to the controls.
import { el, formatDuration, formatTime, withCode } from './format.js';
import { Model } from './model.js';
import { createPlayer } from './player.js';
import { createControls } from './controls.js';
import { Stream } from './stream.js';

const token = new URLSearchParams(location.search).get('token') ?? '';
/** Browsers delay the timers of a hidden tab by up to a minute. A longer delay means suspension. */
const SUSPENDED_MS = 150_000;
const TIMER_MS = 5000;
/** The time per frame for applying lines. The second value applies while many lines wait, such as at the start. */
const WORK_MS = 8;
const CATCH_UP_MS = 60;
const NOTICES_MAX = 4;
const SYSTEMS = { windows: 'Windows', macos: 'macOS' };

const state = document.getElementById('state');
const notices = document.getElementById('notices');

function setState(kind, text) {
  state.dataset.kind = kind;
  if (state.textContent !== text) state.textContent = text;
}

/** Shows a message until the user removes it. A message with the same key is replaced. */
function notify(key, text, { kind = 'info', help } = {}) {
  removeNotice(key);
  const notice = el('div', { class: 'flow-notice', 'data-kind': kind, 'data-key': key }, el('p', {}, ...withCode(help ? `${text} ${help}` : text)));
  notice.append(el('button', { type: 'button', onclick: () => notice.remove() }, 'Dismiss'));
  notices.append(notice);
  while (notices.children.length > NOTICES_MAX) notices.firstElementChild.remove();
}

function removeNotice(key) {
  [...notices.children].find((notice) => notice.dataset.key === key)?.remove();
}

/** Converts an error message of the program to a sentence. */
function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}

/** Sends a request. Throws an error with `status`, and with the program's message and help. */
async function request(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: { 'x-flow-token': token, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  let data;
  try {
    data = text === '' ? undefined : JSON.parse(text);
  } catch {
    data = undefined;
  }
  if (response.ok) return data;
  throw Object.assign(new Error(sentence(data?.error ?? `flow returned the status ${response.status}`)), {
    status: response.status,
    help: data?.help ? sentence(data.help) : undefined,
  });
}

/** Sends a request of a control, and shows an error as a message. */
async function send(method, path, body) {
  try {
    const data = await request(method, path, body);
    removeNotice('request');
    return data;
  } catch (error) {
    const isNetwork = error.status === undefined;
    notify('request', isNetwork ? 'The request did not reach flow.' : error.message, { kind: 'error', help: error.help });
    return undefined;
  }
}

/** Returns whether the token is not valid. Each run of flow has a new token. */
function isRefused(error) {
  return error.status === 401 || error.status === 403;
}

async function start() {
  let session;
  try {
    session = await request('GET', '/session');
  } catch (error) {
    setState('lost', 'Not connected');
    if (error.status) notify('session', error.message, { kind: 'error', help: error.help });
    else notify('session', 'This page cannot reach flow.', { kind: 'error', help: 'Start flow, and open the URL that it prints.' });
    return;
  }
  const model = new Model();
  try {
    model.setHeader(session.header);
  } catch (error) {
    setState('lost', 'Not supported');
    notify('session', sentence(error.message), { kind: 'error', help: 'Reload the page, or use the version of flow that recorded the trace.' });
    return;
  }
  show(session, model);
}

function show(session, model) {
  const isLive = session.mode === 'live';
  const save = document.getElementById('save');
  save.href = `/trace?token=${encodeURIComponent(token)}`;
  save.download = 'flow-trace.jsonl';
  save.hidden = !isLive;
  const controls = document.getElementById('controls');
  controls.hidden = !isLive;
  const emptyText = isLive ? 'No connections. Add a client, or start a scenario.' : undefined;
  const player = createPlayer(document.getElementById('player'), { model, isLive, emptyText, beforeFrame });
  const panel = isLive ? createControls(controls, { session, model, send }) : undefined;
  if (!model.hasKernelValues) {
    notify('system', `On ${SYSTEMS[session.system] ?? session.system}, flow cannot read the kernel's values.`, { help: 'The page shows only the bytes that clients read and send, and the events of the servers.' });
  }
  model.onNote = ({ at, message }) => notify(`note ${message}`, `At ${formatTime(at, 1)}: ${sentence(message)}`);
  const stream = createStream(model, player, isLive);
  if (isLive) watchSuspension();

  function beforeFrame() {
    if (isLive && player.isConnected) setState('live', player.isPlaying ? 'Live' : 'Paused');
    stream.work(stream.isBehind ? CATCH_UP_MS : WORK_MS);
    panel?.update();
    if (!isLive && model.isComplete && stream.isIdle) finishReplay();
  }

  function finishReplay() {
    if (stream.isClosed) return;
    stream.close();
    player.showAll();
    setState('replay', 'Replay');
  }

  stream.open();
  if (!isLive) {
    setState('replay', 'Loading');
    const timer = setInterval(() => {
      player.invalidate();
      if (stream.isClosed) clearInterval(timer);
    }, 50);
  }
}

/** Shows a message after the browser or the computer has suspended the page. */
function watchSuspension() {
  let last = Date.now();
  setInterval(() => {
    const passed = Date.now() - last;
    last += passed;
    if (passed < SUSPENDED_MS) return;
    notify('suspended', `The browser suspended this tab for ${formatDuration(passed * 1000)}.`, { help: 'The page now receives the missing lines, as far as flow has kept them.' });
  }, TIMER_MS);
}

function createStream(model, player, isLive) {
  let refusal;
  const onState = (next) => {
    player.isConnected = next === 'open';
    if (next === 'open') {
      removeNotice('lost');
    } else if (next === 'lost' && !isLive && model.now > 0) {
      stream.close();
      player.showAll();
      setState('replay', 'Replay');
      if (!model.isComplete) notify('truncated', 'The trace is truncated: its last line is missing.', { kind: 'error', help: `The page shows the first ${formatTime(model.now, 1)}.` });
    } else if (next === 'lost') {
      setState('lost', 'Connection lost');
      notify('lost', 'The connection to flow is lost, or flow has ended.', { kind: 'error', help: 'The page tries to connect again. You can still read the values that it received.' });
    } else {
      setState('lost', 'Not connected');
      removeNotice('lost');
      notify('session', refusal.message, { kind: 'error', help: refusal.help });
    }
  };
  const stream = new Stream({
    url: (next) => `/stream?token=${encodeURIComponent(token)}&from=${next}`,
    onLine: (line) => model.apply(line),
    onGap: (until) => {
      model.addGap(until);
      if (model.now === 0) return;
      notify('gap', 'Lines are missing, because flow keeps only the most recent lines.', { help: 'The striped part of the charts shows the missing period.' });
    },
    onState,
    check: async () => {
      try {
        await request('GET', '/session');
        return 'open';
      } catch (error) {
        refusal = error;
        return isRefused(error) ? 'closed' : 'lost';
      }
    },
  });
  return stream;
}

start();
