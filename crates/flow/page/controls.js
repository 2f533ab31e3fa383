// The controls of the live view: new clients, scenarios, and the list of running clients.
import { el, formatBytes, formatCount, formatSpeed } from './format.js';
import { isRunning } from './model.js';
import { describeSettings } from './describe.js';

/** The steps of the speed in bytes per second. `null` means that the client reads as fast as it can. */
const SPEEDS = [0, 2 ** 10, 2 ** 12, 2 ** 14, 2 ** 16, 2 ** 18, 2 ** 20, 2 ** 22, 2 ** 24, 2 ** 26, null];
const LIST_MAX = 30;
const LIST_INTERVAL_MS = 300;
/** The minimum time between two requests while the user moves the slider. */
const CHANGE_INTERVAL_MS = 100;

function select(label, values, textOf) {
  const element = el('select', {}, ...values.map((value, index) => el('option', { value: String(index) }, textOf(value))));
  const row = el('label', { class: 'flow-pair' }, el('span', {}, label), element);
  return { row, value: () => values[element.selectedIndex] };
}

function checkbox(label, isChecked = false) {
  const element = el('input', { type: 'checkbox', checked: isChecked });
  return { row: el('label', {}, element, label), element };
}

/** Calls a function at once, and then at most once per interval. The last call gets the last value. */
function throttle(work) {
  let timer;
  let waiting;
  const run = (value) => {
    work(value);
    timer = setTimeout(() => {
      timer = undefined;
      if (waiting === undefined) return;
      const { value: next } = waiting;
      waiting = undefined;
      run(next);
    }, CHANGE_INTERVAL_MS);
  };
  return (value) => {
    if (timer === undefined) run(value);
    else waiting = { value };
  };
}

/** The slider for the speed, with labels at three of its steps. */
function speedSlider(onChange) {
  const output = el('output', { for: 'speed' });
  const slider = el('input', { type: 'range', id: 'speed', min: '0', max: String(SPEEDS.length - 1), value: String(SPEEDS.length - 1) });
  const value = () => SPEEDS[slider.valueAsNumber];
  const show = () => {
    output.textContent = formatSpeed(value());
    slider.setAttribute('aria-valuetext', formatSpeed(value()));
  };
  slider.addEventListener('input', () => {
    show();
    onChange(value());
  });
  show();
  const marks = el('div', { class: 'flow-speed-marks', 'aria-hidden': 'true' }, ...['paused', formatSpeed(SPEEDS[5]), 'unlimited'].map((text) => el('span', {}, text)));
  const head = el('div', { class: 'flow-speed-head' }, el('label', { for: 'speed' }, 'Read speed'), output);
  return { row: el('div', {}, head, slider, marks), value };
}

function createForm({ session, model, send }) {
  const count = el('input', { type: 'number', min: '1', max: String(session.limits.clients), value: '1', required: true });
  const alsoRunning = checkbox('Also change running clients', true);
  const change = throttle((speed) => send('PATCH', '/clients', { speed }));
  const speed = speedSlider((value) => alsoRunning.element.checked && change(value));
  const servers = session.header.servers.map((name) => checkbox(name, true));
  const receiveBuffer = select('Receive buffer', [undefined, 2 ** 12, 2 ** 14, 2 ** 16, 2 ** 18], (value) => (value === undefined ? 'automatic' : formatBytes(value)));
  const upload = select('Upload', [0, 2 ** 10, 2 ** 16, 2 ** 20, 2 ** 24], (value) => (value === 0 ? 'nothing' : formatBytes(value)));
  const resetAfter = select('Reset after', [undefined, 2 ** 16, 2 ** 20, 2 ** 22], (value) => (value === undefined ? 'never' : formatBytes(value)));
  const uploadFirst = checkbox('Upload before reading');
  const halfClose = checkbox('Half-close after the upload');
  const neverClose = checkbox('Never close the socket');
  const settings = () => ({
    ...(speed.value() === null ? {} : { speed: speed.value() }),
    ...(receiveBuffer.value() === undefined ? {} : { receive_buffer: receiveBuffer.value() }),
    ...(resetAfter.value() === undefined ? {} : { reset_after: resetAfter.value() }),
    upload: upload.value(), upload_first: uploadFirst.element.checked, half_close: halfClose.element.checked, never_close: neverClose.element.checked,
  });
  const add = (event) => {
    event.preventDefault();
    const chosen = servers.flatMap(({ row, element }, index) => (element.checked && !row.hidden ? [index] : []));
    send('POST', '/clients', { count: count.valueAsNumber, servers: chosen, settings: settings() });
  };
  const serverGroup = el('fieldset', { class: 'flow-inline', hidden: servers.length === 1 }, el('legend', { class: 'flow-hidden' }, 'Servers'), ...servers.map(({ row }) => row));
  const update = () => {
    for (const [index, { row }] of servers.entries()) row.hidden = !isRunning(model.servers[index]);
  };
  const element = el('form', { class: 'flow-form', onsubmit: add },
    el('label', { class: 'flow-pair' }, el('span', {}, 'Clients per server'), count), serverGroup, speed.row, alsoRunning.row,
    el('details', {}, el('summary', {}, 'More settings'), el('div', { class: 'flow-form' }, receiveBuffer.row, upload.row, uploadFirst.row, halfClose.row, resetAfter.row, neverClose.row)),
    el('div', { class: 'flow-buttons' }, el('button', { type: 'submit', class: 'flow-main' }, 'Add clients'), el('button', { type: 'button', onclick: () => send('POST', '/clear') }, 'End all')));
  return { element, update };
}

function createScenarios({ session, send }) {
  const buttons = session.scenarios.map(({ name, title, description }) =>
    el('li', {}, el('button', { type: 'button', onclick: () => send('POST', `/scenarios/${encodeURIComponent(name)}`) }, el('b', {}, title), el('small', {}, description))));
  return el('ul', { class: 'flow-scenarios' }, ...buttons);
}

/** The list of the running clients. Unchanged rows are not replaced, so that the user can operate them. */
class ClientList {
  constructor({ model, send }, title) {
    this.model = model;
    this.send = send;
    this.title = title;
    this.rows = new Map();
    this.body = el('tbody');
    this.more = el('p');
    this.next = 0;
    const heads = ['Client', 'Speed', ''].map((text) => (text ? el('th', { scope: 'col' }, text) : el('td')));
    this.element = el('div', { class: 'flow-clients', tabindex: '0', role: 'region', 'aria-label': 'Running clients' }, el('table', {}, el('thead', {}, el('tr', {}, ...heads)), this.body), this.more);
  }

  update() {
    if (performance.now() < this.next) return;
    this.next = performance.now() + LIST_INTERVAL_MS;
    let count = 0;
    const shown = new Set();
    for (const server of this.model.servers) {
      for (const connection of server.connections.values()) {
        if (connection.end !== undefined || connection.settings.length === 0) continue;
        count += 1;
        if (shown.size < LIST_MAX) {
          shown.add(connection.number);
          this.show(connection);
        }
      }
    }
    for (const [number, { row }] of this.rows) {
      if (shown.has(number)) continue;
      row.remove();
      this.rows.delete(number);
    }
    this.title.textContent = `Running clients (${formatCount(count)})`;
    const text = count === 0 ? 'No clients are running.' : count > LIST_MAX ? `The list shows the first ${LIST_MAX} clients.` : '';
    if (this.more.textContent !== text) this.more.textContent = text;
  }

  show(connection) {
    const { number, server } = connection;
    const settings = connection.settings.at(-1);
    const speed = settings.speed ?? null;
    let entry = this.rows.get(number);
    if (!entry) {
      const name = `client #${number} of ${server.name}`;
      const choice = el('select', { 'aria-label': `Speed of ${name}` }, ...SPEEDS.map((value) => el('option', { value: String(value) }, formatSpeed(value))));
      choice.addEventListener('change', () => this.send('PATCH', '/clients', { connections: [number], speed: choice.value === 'null' ? null : Number(choice.value) }));
      const end = el('button', { type: 'button', 'aria-label': `End ${name}`, onclick: () => this.send('DELETE', '/clients', { connections: [number] }) }, 'End');
      const row = el('tr', {}, el('th', { scope: 'row', title: describeSettings(settings) }, `#${number} ${server.name}`), el('td', {}, choice), el('td', {}, end));
      entry = { row, choice, speed: undefined };
      this.rows.set(number, entry);
      this.body.append(row);
    }
    if (entry.speed === speed) return;
    entry.speed = speed;
    // A scenario can use a speed that is not a step of the list.
    if (!SPEEDS.includes(speed) && ![...entry.choice.options].some(({ value }) => value === String(speed))) {
      entry.choice.append(el('option', { value: String(speed) }, formatSpeed(speed)));
    }
    entry.choice.value = String(speed);
  }
}

/**
 * Fills the element with the controls.
 *
 * @param {{ session: object, model: Model, send: Function }} options
 */
export function createControls(element, options) {
  const title = el('summary', {}, 'Running clients');
  const list = new ClientList(options, title);
  const form = createForm(options);
  const isWide = matchMedia('(min-width: 1100px)').matches;
  element.append(
    el('details', { class: 'flow-group', open: true }, el('summary', {}, 'New clients'), form.element),
    el('details', { class: 'flow-group', open: isWide }, el('summary', {}, 'Scenarios'), createScenarios(options)),
    el('details', { class: 'flow-group' }, title, list.element));
  const update = () => {
    form.update();
    list.update();
  };
  return { update };
}
