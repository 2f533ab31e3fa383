// Receives lines from the program `flow`, and applies them in short steps.

/** The maximum number of waiting characters. Above it, the page closes the stream until it has applied them. */
const WAITING_MAX = 64e6;
const BEHIND = 1e6;
const RETRY_MS = [250, 500, 1000, 2000];

/** Splits texts into JSON lines, and passes these to a function. Spends only a limited time per call. */
class LineQueue {
  constructor(apply) {
    this.apply = apply;
    this.texts = [];
    this.offset = 0;
    this.length = 0;
  }

  push(text) {
    this.texts.push(text);
    this.length += text.length;
  }

  /** Applies lines until all lines are applied, or until the time has passed. */
  work(maxMs) {
    const end = performance.now() + maxMs;
    for (let count = 1; this.texts.length > 0; count += 1) {
      const text = this.texts[0];
      if (this.offset >= text.length) {
        this.texts.shift();
        this.length -= text.length;
        this.offset = 0;
        continue;
      }
      let lineEnd = text.indexOf('\n', this.offset);
      if (lineEnd < 0) lineEnd = text.length;
      if (lineEnd > this.offset) this.apply(text.slice(this.offset, lineEnd));
      this.offset = lineEnd + 1;
      if (count % 64 === 0 && performance.now() > end) return;
    }
  }
}

export class Stream {
  /**
   * @param {object} options `url` returns the URL for a first line number. `check` returns the state of
   *     the program after a failure: `open` to try again, `closed` to stop. `onLine`, `onGap` and
   *     `onState` are called with each line, for missing lines, and with `open`, `lost` or `closed`.
   */
  constructor(options) {
    this.options = options;
    this.next = 0;
    this.failures = 0;
    this.queue = new LineQueue((text) => this.applyLine(text));
  }

  open() {
    this.isPaused = false;
    this.source = new EventSource(this.options.url(this.next));
    this.source.onopen = () => {
      this.failures = 0;
      this.options.onState('open');
    };
    this.source.onmessage = (event) => this.receive(event);
    // Lines are missing before the next message. The event contains the time of its first line.
    this.source.addEventListener('gap', (event) => this.queue.push(`gap ${event.data}`));
    this.source.onerror = () => this.fail();
  }

  receive({ lastEventId, data }) {
    if (/^\d+$/.test(lastEventId)) this.next = Number(lastEventId);
    this.queue.push(data);
    // The browser draws no frames of a hidden tab.
    if (document.hidden) this.work(Infinity);
    if (this.queue.length > WAITING_MAX) {
      this.isPaused = true;
      this.source.close();
    }
  }

  applyLine(text) {
    if (text.startsWith('gap ')) {
      const until = Number(text.slice(4));
      this.options.onGap(Number.isNaN(until) ? undefined : until);
      return;
    }
    let line;
    try {
      line = JSON.parse(text);
    } catch {
      return;
    }
    this.options.onLine(line);
  }

  /** Applies the lines that were received. */
  work(maxMs) {
    this.queue.work(maxMs);
    if (this.isPaused && this.queue.length === 0) this.open();
  }

  /** Whether more lines wait than arrive in a second. */
  get isBehind() {
    return this.queue.length > BEHIND;
  }

  get isIdle() {
    return this.queue.length === 0;
  }

  close() {
    this.source.close();
    this.isClosed = true;
  }

  /** Opens the stream again, starting with the next line. */
  async fail() {
    this.source.close();
    if (this.isClosed || this.isPaused) return;
    this.options.onState('lost');
    const delay = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
    this.failures += 1;
    await new Promise((done) => setTimeout(done, delay));
    const state = await this.options.check();
    if (this.isClosed) return;
    if (state === 'open') this.open();
    else if (state === 'lost') this.fail();
    else this.options.onState('closed');
  }
}
