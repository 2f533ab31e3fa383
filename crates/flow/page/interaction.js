// The pointer and the keyboard: the cursor in time, the selected row, and the exact values beside it.
import { el, formatTime } from './format.js';
import { timeOf, xOf } from './draw.js';
import { connectionsAt, describeRow } from './describe.js';

/** The distance in pixels that the pointer must move before a click becomes a drag. */
const DRAG_MIN = 4;
const ANNOUNCE_DELAY_MS = 150;

/** The part of the player that handles input. The player provides the time, and draws. */
export class Interaction {
  constructor() {
    /** The time whose values are shown. If it is undefined, the latest values are shown. */
    this.cursor = undefined;
    /** The strip with the keyboard focus, and the key of its selected row. */
    this.focus = undefined;
    this.pointer = undefined;
  }

  wheel(event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    this.zoom(Math.sign(event.deltaY));
  }

  /** Shows the values at the pointer. */
  hover(strip, event) {
    this.pointer = undefined;
    if (!this.focus?.isKeyboard) this.cursor = undefined;
    if (strip && !this.drag) {
      const box = strip.element.getBoundingClientRect();
      const y = event.clientY - box.top + strip.element.scrollTop;
      const row = strip.rowAt(y);
      const time = timeOf(this.lastView, Math.max(this.lastView.left, event.clientX - box.left));
      this.pointer = { strip, row, fraction: row ? (y - row.y) / row.height : undefined, x: event.clientX, y: event.clientY };
      if (!this.focus?.isKeyboard) this.cursor = Math.min(this.position, time);
    }
    this.lastText = 0;
    this.invalidate();
  }

  /** Moves the charts with the pointer. */
  startDrag(strip, event) {
    if (event.button !== 0 || event.pointerType === 'touch') return;
    const begin = { x: event.clientX, position: this.position };
    const move = (moved) => {
      if (Math.abs(moved.clientX - begin.x) < DRAG_MIN && !this.drag) return;
      this.drag = true;
      const { left, right, span } = this.lastView;
      this.seek(begin.position - ((moved.clientX - begin.x) / (right - left)) * span);
    };
    const end = () => {
      removeEventListener('pointermove', move);
      setTimeout(() => (this.drag = false));
    };
    addEventListener('pointermove', move);
    addEventListener('pointerup', end, { once: true });
  }

  click(strip) {
    if (this.drag || !this.pointer?.row) return;
    const { row, fraction } = this.pointer;
    this.openRow(strip, row, fraction);
  }

  /** Opens a row that stands for many rows. */
  openRow(strip, row, fraction) {
    const first = row.kind === 'heat' ? connectionsAt(row.item.connections, fraction ?? 0, row.height)[0] : undefined;
    if (row.kind === 'heat' || row.kind === 'sum') strip.open.add('connections');
    else if (row.kind === 'crowd') strip.open.add(row.key);
    else return;
    strip.update(this.lastView);
    const key = first?.number ?? strip.rows.find((candidate) => candidate.key !== row.key)?.key;
    const target = strip.rows.find((candidate) => candidate.key === key);
    if (target) strip.reveal(target);
    this.focus = { strip, key, isKeyboard: this.focus?.isKeyboard ?? false };
    this.invalidate();
  }

  focusStrip(strip) {
    const isKeyboard = strip?.element.matches(':focus-visible') ?? false;
    this.focus = strip && { strip, key: isKeyboard ? strip.rows[0]?.key : undefined, isKeyboard: false };
    if (!strip) this.cursor = undefined;
    if (isKeyboard) this.announce();
    this.lastText = 0;
    this.invalidate();
  }

  /** Returns the selected row of the strip that has the keyboard focus. */
  focusedRow() {
    const { strip, key } = this.focus ?? {};
    return strip?.rows.find((row) => row.key === key) ?? strip?.rows[0];
  }

  key(strip, event) {
    const action = this.actionOf(strip, event);
    if (!action || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    action();
    this.lastText = 0;
    this.announce();
    this.invalidate();
  }

  actionOf(strip, { key, shiftKey }) {
    const step = shiftKey ? this.span / 20 : this.span / 200;
    const view = this.lastView;
    const actions = {
      ArrowLeft: () => this.moveCursor((this.cursor ?? this.position) - step),
      ArrowRight: () => this.moveCursor((this.cursor ?? this.position) + step),
      Home: () => this.moveCursor(view.start),
      End: () => this.moveCursor(Math.min(this.position, view.start + view.span)),
      ArrowUp: () => this.selectRow(strip, -1),
      ArrowDown: () => this.selectRow(strip, 1),
      '+': () => this.zoom(-1),
      '-': () => this.zoom(1),
      ' ': () => this.togglePlay(),
      Enter: () => this.focusedRow() && this.openRow(strip, this.focusedRow()),
      Escape: () => ([this.cursor, this.focus.isKeyboard] = [undefined, false]),
    };
    return actions[key];
  }

  /** Sets the cursor with the keyboard. The view pauses, so that the values can be read. */
  moveCursor(time) {
    this.isPlaying = false;
    this.focus.isKeyboard = true;
    this.cursor = Math.min(this.latest, Math.max(this.model.begin, time));
    const { start, span } = this.lastView;
    if (this.cursor > this.position) this.position = this.cursor;
    if (this.cursor < start) this.position = Math.max(this.cursor, this.cursor + span);
  }

  selectRow(strip, by) {
    const index = strip.rows.indexOf(this.focusedRow()) + by;
    if (index < 0 || index >= strip.rows.length) {
      const panel = this.panels.find(({ strips }) => strips.includes(strip));
      const next = panel.strips[panel.strips.indexOf(strip) + by];
      if (!next) return;
      const { isKeyboard, cursor = this.cursor } = this.focus;
      next.element.focus();
      this.cursor = cursor;
      this.focus = { strip: next, key: next.rows.at(by > 0 ? 0 : -1)?.key, isKeyboard };
    } else {
      this.focus.key = strip.rows[index].key;
      this.focus.isKeyboard = true;
    }
    if (this.focusedRow()) this.focus.strip.reveal(this.focusedRow());
  }

  /** Returns the row whose values are shown, and the description of these values. */
  described(view) {
    const isKeyboard = this.focus?.isKeyboard;
    const { strip, row, fraction } = isKeyboard ? { strip: this.focus.strip, row: this.focusedRow() } : (this.pointer ?? {});
    if (!row || row.kind === 'empty') return undefined;
    return { strip, row, ...describeRow(view, strip.server, row, fraction) };
  }

  updateTip(view) {
    const described = this.described(view);
    this.tip.hidden = !described;
    if (!described) return;
    const { strip, row, title, items } = described;
    const rows = items.map(([name, value, note]) => el('tr', {}, el('th', {}, name), el('td', {}, value), el('td', {}, note ?? '')));
    this.tip.replaceChildren(el('b', {}, `${title}, ${strip.server.name}, at ${formatTime(view.at)}`), el('table', {}, ...rows));
    const box = strip.element.getBoundingClientRect();
    const at = this.focus?.isKeyboard
      ? { x: box.left + xOf(view, view.at), y: box.top + row.y - strip.element.scrollTop + Math.min(40, row.height) }
      : this.pointer;
    const { offsetWidth: width, offsetHeight: height } = this.tip;
    const x = at.x + 16 + width > innerWidth ? at.x - width - 16 : at.x + 16;
    const y = at.y + 16 + height > innerHeight ? at.y - height - 16 : at.y + 16;
    this.tip.style.transform = `translate(${Math.max(4, x)}px, ${Math.max(4, y)}px)`;
  }

  /** Announces the selected row to screen readers when the user has stopped pressing keys. */
  announce() {
    clearTimeout(this.announcement);
    this.announcement = setTimeout(() => {
      const row = this.focusedRow();
      if (!row || !this.focus) return;
      const view = this.view();
      const { title, items } = describeRow(view, this.focus.strip.server, row);
      const values = items.map(([name, value, note]) => `${name}: ${value}${note ? `, ${note}` : ''}`);
      this.status.textContent = `${formatTime(view.at, 2)}. ${title}. ${values.join('. ')}`;
    }, ANNOUNCE_DELAY_MS);
  }
}
