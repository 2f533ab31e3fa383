// Draws a trace: all servers side by side, with one time axis.
//
// `createPlayer(element, { traceText })` replays a trace. `createPlayer(element, { model, isLive:
// true })` shows a model that grows. The style sheet is flow.css.
import { el, formatDuration, formatTime } from './format.js';
import { Model, readTrace, SUM } from './model.js';
import { Theme } from './theme.js';
import { ServerPanel } from './panel.js';
import { createKey, createLegend, createTable, drawSwatches } from './details.js';
import { usageMax, USAGES } from './bands.js';
import { Interaction } from './interaction.js';

const SPANS_US = [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900].map((seconds) => seconds * 1e6);
/** The minimum time between two changes of the texts and of the table. The charts change with each frame. */
const TEXT_INTERVAL_MS = 200;

class Player extends Interaction {
  constructor(element, options) {
    super();
    this.model = options.model ?? new Model();
    this.isLive = options.isLive ?? false;
    this.beforeFrame = options.beforeFrame ?? (() => {});
    this.emptyText = options.emptyText ?? 'No connections at this time.';
    this.span = options.span ?? 20e6;
    this.isPlaying = this.isLive;
    this.isConnected = true;
    this.position = 0;
    this.swatches = [];
    this.lastText = 0;
    this.isDirty = true;
    this.isVisible = true;
    this.reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');
    this.root = element;
    element.classList.add('flow');
    if (options.traceText !== undefined) this.load(options.traceText);
    else if (this.model.header) this.build();
  }

  /** Reads a trace, and shows all of it. If the trace cannot be read, shows the reason. */
  load(text) {
    let warning;
    try {
      warning = readTrace(this.model, text);
    } catch (error) {
      this.root.append(el('p', { role: 'alert', class: 'flow-notice' }, `The trace cannot be shown: ${error.message}.`));
      return;
    }
    if (warning) this.root.append(el('p', { role: 'status', class: 'flow-notice' }, warning));
    this.build();
    this.showAll();
  }

  build() {
    this.theme = new Theme(this.root);
    this.play = el('button', { type: 'button', class: 'flow-play', onclick: () => this.togglePlay() });
    this.clock = el('span', { class: 'flow-clock' });
    this.scrub = el('input', { type: 'range', min: '0', step: '10', 'aria-label': 'Time', oninput: () => this.seek(this.scrub.valueAsNumber * 1000) });
    this.zoomText = el('output', { 'aria-label': 'Length of the time axis' });
    const zoom = el('div', { class: 'flow-zoom', role: 'group', 'aria-label': 'Zoom' },
      el('button', { type: 'button', 'aria-label': 'Zoom out: a longer time', onclick: () => this.zoom(1) }, '−'), this.zoomText,
      el('button', { type: 'button', 'aria-label': 'Zoom in: a shorter time', onclick: () => this.zoom(-1) }, '+'));
    this.status = el('div', { class: 'flow-hidden', 'aria-live': 'polite' });
    this.tip = el('div', { class: 'flow-tip', 'aria-hidden': 'true', hidden: true });
    this.panels = this.model.servers.map((server) => new ServerPanel(this, server));
    this.strips = this.panels.flatMap((panel) => panel.strips);
    this.servers = el('div', { class: 'flow-servers' }, ...this.panels.map((panel) => panel.element));
    this.table = createTable();
    this.root.append(
      el('div', { class: 'flow-toolbar' }, this.play, el('div', { class: 'flow-scrub' }, this.scrub, this.clock), zoom), createKey(this.swatches, this.model),
      this.servers, this.table.element, createLegend(this.swatches), this.tip, this.status);
    this.observe();
    this.invalidate();
  }

  observe() {
    new ResizeObserver(() => this.invalidate()).observe(this.root);
    new IntersectionObserver((entries) => {
      this.isVisible = entries.at(-1).isIntersecting;
      this.invalidate();
    }).observe(this.root);
    const changeTheme = () => {
      this.theme.update();
      this.areSwatchesDrawn = false;
      this.invalidate();
    };
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changeTheme);
    // The book changes its theme with a class of the root element.
    new MutationObserver(changeTheme).observe(document.documentElement, { attributeFilter: ['class'] });
    this.table.element.addEventListener('toggle', () => this.invalidate());
  }

  /** Draws the next frame, even if the time does not change. */
  invalidate() {
    this.isDirty = true;
    if (this.isVisible) this.requestFrame();
  }

  requestFrame() {
    this.request ??= requestAnimationFrame((now) => {
      this.request = undefined;
      this.frame(now);
    });
  }

  frame(now) {
    this.beforeFrame();
    this.advance(now);
    const step = this.reducedMotion.matches ? 1e6 : 1;
    const mark = `${Math.floor(this.position / step)} ${this.model.structure}`;
    if (this.isVisible && (this.isDirty || mark !== this.mark)) {
      this.isDirty = false;
      this.mark = mark;
      this.draw(now);
    }
    if (this.isLive || this.isPlaying) this.requestFrame();
  }

  /** Moves the position with the clock. */
  advance(now) {
    const passed = (now - (this.lastFrame ?? now)) * 1000;
    this.lastFrame = now;
    if (!this.isPlaying) return;
    if (!this.isLive) {
      this.position = Math.min(this.model.now, this.position + passed);
      if (this.position === this.model.now) this.setPlaying(false);
      return;
    }
    if (!this.isConnected) return;
    // The lines arrive with different delays. The smallest delay is the best estimate.
    if (this.model.now !== this.seen) {
      const offset = this.model.now - now * 1000;
      this.offset = this.offset === undefined || offset > this.offset ? offset : this.offset + (offset - this.offset) * 0.02;
      this.seen = this.model.now;
    }
    this.position = Math.max(this.model.begin, now * 1000 + (this.offset ?? 0));
  }

  /** Returns the latest time that can be shown. */
  get latest() {
    return this.isLive ? Math.max(this.model.now, this.isPlaying ? this.position : 0) : this.model.now;
  }

  view() {
    const { model, span } = this;
    const { element: strip } = this.strips.find(({ element }) => element.clientWidth > 0) ?? this.strips[0];
    const width = strip.clientWidth;
    const left = Math.min(width * 0.45, parseFloat(getComputedStyle(strip).getPropertyValue('--flow-gutter')) || 184);
    const isStepped = this.reducedMotion.matches && this.isPlaying;
    const right = isStepped ? Math.ceil(this.position / 1e6) * 1e6 : this.position;
    const start = Math.max(model.begin, right - span);
    const view = {
      model, theme: this.theme, span, start, end: this.position, cursor: this.cursor, at: this.cursor ?? this.position,
      left, right: width - 2, width, dpr: Math.min(2, devicePixelRatio || 1), top: 0, emptyText: this.emptyText,
    };
    view.shift = (start / span) * (view.right - left);
    view.sumMax = 1;
    for (const { sum } of model.servers) {
      for (let row = Math.max(0, sum.rowBefore(start)); row < sum.length && sum.get(row, 0) <= view.end; row += 1) {
        view.sumMax = Math.max(view.sumMax, sum.get(row, SUM.WRITTEN));
      }
    }
    view.usageMax = Object.fromEntries(USAGES.map((usage) => [usage.key, usageMax(model, view, usage)]));
    return view;
  }

  draw(now) {
    const view = this.view();
    this.lastView = view;
    const isTextDue = now - this.lastText >= TEXT_INTERVAL_MS || this.model.structure !== this.seenStructure || !this.isPlaying;
    for (const panel of this.panels) panel.render(view, this.focus, isTextDue);
    this.servers.dataset.count = this.panels.filter(({ element }) => !element.hidden).length;
    if (!this.areSwatchesDrawn) drawSwatches(view, this.swatches);
    this.areSwatchesDrawn = true;
    if (!isTextDue) return;
    this.lastText = now;
    this.seenStructure = this.model.structure;
    this.updateToolbar(view);
    this.table.update(view);
    this.updateTip(view);
  }

  updateToolbar(view) {
    const playText = this.isPlaying ? 'Pause' : this.isLive ? 'Resume' : 'Play';
    if (this.play.textContent !== playText) this.play.textContent = playText;
    this.scrub.min = Math.floor(this.model.begin / 1000);
    this.scrub.max = Math.ceil(this.latest / 1000);
    this.scrub.value = this.position / 1000;
    this.scrub.setAttribute('aria-valuetext', `${formatTime(this.position, 1)} of ${formatTime(this.latest, 1)}`);
    this.clock.textContent = formatTime(view.end, 1);
    this.zoomText.textContent = this.span < 1e6 ? formatTime(this.span, 1) : formatDuration(this.span);
  }

  setPlaying(isPlaying) {
    this.isPlaying = isPlaying;
    this.invalidate();
  }

  togglePlay() {
    if (!this.isPlaying) {
      this.cursor = undefined;
      if (!this.isLive && this.position >= this.model.now) this.position = this.model.begin;
    }
    this.setPlaying(!this.isPlaying);
  }

  /** Shows the period before a time. In a live view, this pauses. */
  seek(time) {
    this.isPlaying = false;
    this.position = Math.min(this.latest, Math.max(this.model.begin, time));
    this.invalidate();
  }

  /** Changes the length of the time axis. If the view is paused, the cursor remains where it is. */
  zoom(direction) {
    const spans = direction > 0 ? SPANS_US.filter((span) => span > this.span) : SPANS_US.filter((span) => span < this.span).reverse();
    if (spans.length === 0) return;
    if (!this.isPlaying && this.cursor !== undefined) {
      const fraction = (this.position - this.cursor) / this.span;
      this.position = Math.min(this.model.now, this.cursor + fraction * spans[0]);
    }
    this.span = spans[0];
    this.invalidate();
  }

  /** Shows the whole trace after it was received. */
  showAll() {
    this.span = Math.max(1e6, this.model.now - this.model.begin);
    this.seek(this.model.now);
  }
}

/**
 * Shows a trace in an element.
 *
 * @param {HTMLElement} element The element, which gets the class `flow`.
 * @param {{ traceText?: string, model?: Model, isLive?: boolean, span?: number, beforeFrame?: Function, emptyText?: string }} options
 *     `traceText` is a complete trace. `model` is a model that another program fills.
 */
export function createPlayer(element, options) {
  return new Player(element, options);
}
