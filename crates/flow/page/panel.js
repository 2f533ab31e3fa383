// The charts of one server.
import { el, formatCount } from './format.js';
import { countThreads, drawAxis, drawOverlay } from './bands.js';
import { connectionRows, itemsInView, ROWS_MAX_SINGLE, sizeCanvas, Strip, threadRows, usageRows } from './strips.js';

const AXIS_HEIGHT = 62;

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Names the numbers of threads in each state, for example `1 running; blocked: 2 in futex`. */
function threadText(counts) {
  const isInCall = ({ state, call }) => state === 'blocked' && call !== undefined;
  const others = counts.filter((entry) => !isInCall(entry)).map(({ count, text }) => `${formatCount(count)} ${text}`);
  const calls = counts.filter(isInCall).slice(0, 5).map(({ count, call }) => `${formatCount(count)} in ${call}`);
  return [...others, calls.length > 0 ? `blocked: ${calls.join(', ')}` : ''].filter(Boolean).join('; ');
}

/** Omits the options that are the same for each server. */
function shortCommand(command) {
  return command.replace(/ --host \S+ --port 0 --log json( --log-chunks)?/, ' …');
}

export class ServerPanel {
  constructor(player, server) {
    this.player = player;
    this.server = server;
    const { name } = server;
    const canUse = player.model.hasKernelValues;
    this.connections = new Strip(player, server, `Connections of ${name}`, connectionRows, 344);
    this.threads = canUse ? new Strip(player, server, `Threads of ${name}`, threadRows, 306) : undefined;
    this.usage = canUse ? new Strip(player, server, `Resource usage of ${name}`, usageRows, 400) : undefined;
    this.strips = [this.connections, this.threads, this.usage].filter(Boolean);
    this.command = el('code', { class: 'flow-command' });
    this.ended = el('span', { class: 'flow-ended', hidden: true });
    this.axis = el('canvas', { 'aria-hidden': 'true' });
    this.open = el('button', { type: 'button', hidden: true, onclick: () => this.toggle() });
    this.closeThreads = el('button', { type: 'button', hidden: true, onclick: () => this.collapse() }, 'Group threads');
    this.texts = [el('p'), el('p')];
    const head = (title, text, button) => el('div', { class: 'flow-head' }, el('h4', {}, title), text, button);
    this.element = el('section', { class: 'flow-server', 'aria-label': `Server ${name}` },
      el('header', {}, el('h3', {}, name), this.command, this.ended), el('div', { class: 'flow-axis' }, this.axis),
      head('Connections', this.texts[0], this.open), this.connections.element,
      ...(canUse
        ? [head('Threads', this.texts[1], this.closeThreads), this.threads.element, head('Resources', undefined, undefined), this.usage.element]
        : []));
  }

  /** Switches between the heat map and single rows. */
  toggle() {
    const { open } = this.connections;
    if (!open.delete('connections')) open.add('connections');
    this.player.invalidate();
  }

  collapse() {
    this.threads.open.clear();
    this.player.invalidate();
  }

  /** Returns whether the server runs in the period of the view. Only servers on demand are hidden. */
  isShown(view) {
    const { runs, isOnDemand } = this.server;
    if (runs.length === 0) return view.model.now === 0;
    if (!isOnDemand) return true;
    return runs.some(({ from, to }) => from <= view.end && !(to < view.start));
  }

  render(view, focus, isTextDue) {
    this.element.hidden = !this.isShown(view);
    if (this.element.hidden) return;
    for (const strip of this.strips) {
      strip.update(view);
      strip.render(view, focus?.strip === strip ? focus.key : undefined);
    }
    const ctx = this.axis.getContext('2d');
    sizeCanvas(this.axis, view.width, AXIS_HEIGHT, view.dpr);
    ctx.setTransform(view.dpr, 0, 0, view.dpr, 0, 0);
    ctx.clearRect(0, 0, view.width, AXIS_HEIGHT);
    drawAxis(ctx, view, this.server, AXIS_HEIGHT);
    drawOverlay(ctx, { ...view, model: { gaps: [] } }, AXIS_HEIGHT);
    if (isTextDue) this.updateTexts(view);
  }

  updateTexts(view) {
    const { server } = this;
    const run = server.runs.findLast(({ from }) => from <= view.at) ?? server.runs[0];
    setText(this.command, shortCommand(run?.command ?? ''));
    this.command.title = run?.command ?? '';
    this.ended.hidden = !(run?.to <= view.at);
    setText(this.ended, run?.ended?.startsWith('stopped') ? run.ended : `ended: ${run?.ended}`);
    const connections = itemsInView(view, server.connections);
    this.open.hidden = connections.length <= ROWS_MAX_SINGLE;
    setText(this.open, this.connections.open.has('connections') ? 'Show the overview' : 'Show each connection');
    const isOpen = ({ begin, end = Infinity }) => begin <= view.at && view.at < end;
    setText(this.texts[0], `${formatCount(connections.filter(isOpen).length)} open`);
    if (!this.threads) return;
    this.closeThreads.hidden = this.threads.open.size === 0;
    setText(this.texts[1], threadText(countThreads(view.model, itemsInView(view, server.threads), view.at)));
  }
}
