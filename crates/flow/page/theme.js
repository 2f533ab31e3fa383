// The colors and patterns of the charts. Each kind of band has a pattern or a label in addition to its
// color. The colors are custom properties in flow.css.

const COLORS = [
  'text', 'muted', 'line', 'track', 'panel', 'focus', 'read', 'receive', 'send', 'process', 'connected', 'writing', 'waiting', 'draining',
  'closed', 'reset', 'running', 'runnable', 'blocked', 'ended', 'on-fill', 'on-light',
];

/** The bytes of a reply, from the first byte to the last one. `column` is the upper end of the part. */
export const PARTS = [
  { key: 'read', name: 'read by the client', short: 'read', pattern: 'plain' },
  { key: 'receive', name: 'in the receive buffer', short: 'receive', pattern: 'dots' },
  { key: 'send', name: 'in the send buffer', short: 'send', pattern: 'stripes' },
  { key: 'process', name: 'in the process', short: 'process', pattern: 'grid' },
];
export const UNWRITTEN = { key: 'track', name: 'not yet written', short: 'not written', pattern: 'outline' };

/** The patterns of the states of connections and threads. They differ from those of the bytes. */
export const STATE_PATTERNS = {
  connected: 'outline', writing: 'plain', waiting: 'lines', draining: 'checks', closed: 'outline', reset: 'bars',
  running: 'plain', runnable: 'bars', blocked: 'outline', ended: 'outline',
};

/** The names of the states, in the legend and in bands that are wide enough. */
export const STATE_NAMES = {
  connected: ['connected'], writing: ['writing'],
  waiting: ['waiting for send-buffer space', 'waiting for space', 'waiting'],
  draining: ['draining'], closed: ['closed'], reset: ['reset'],
  running: ['running'], runnable: ['runnable'], blocked: ['blocked'], ended: ['ended'],
};

const PATTERN_SIZE = 8;

function tile(kind, draw) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = PATTERN_SIZE;
  draw(canvas.getContext('2d'));
  return canvas;
}

const DRAW = {
  stripes(ctx) {
    ctx.lineWidth = 2;
    ctx.beginPath();
    for (const offset of [-PATTERN_SIZE, 0, PATTERN_SIZE]) {
      ctx.moveTo(offset - 2, PATTERN_SIZE + 2);
      ctx.lineTo(offset + PATTERN_SIZE + 2, -2);
    }
    ctx.stroke();
  },
  dots(ctx) {
    ctx.fillRect(1, 1, 2, 2);
    ctx.fillRect(5, 5, 2, 2);
  },
  grid(ctx) {
    ctx.fillRect(0, 0, PATTERN_SIZE, 1);
    ctx.fillRect(0, 0, 1, PATTERN_SIZE);
    ctx.fillRect(0, 4, PATTERN_SIZE, 1);
    ctx.fillRect(4, 0, 1, PATTERN_SIZE);
  },
  lines(ctx) {
    ctx.fillRect(0, 1, PATTERN_SIZE, 2);
    ctx.fillRect(0, 5, PATTERN_SIZE, 2);
  },
  checks(ctx) {
    ctx.fillRect(0, 0, 4, 4);
    ctx.fillRect(4, 4, 4, 4);
  },
  bars(ctx) {
    ctx.fillRect(0, 0, 3, PATTERN_SIZE);
  },
};

/** Resolves the custom properties of an element, and creates the patterns. */
export class Theme {
  constructor(element) {
    this.probe = document.createElement('span');
    this.probe.hidden = true;
    element.append(this.probe);
    this.update();
  }

  update() {
    for (const name of COLORS) {
      this.probe.style.color = `var(--flow-${name})`;
      this[name] = getComputedStyle(this.probe).color;
    }
    this.font = getComputedStyle(this.probe).fontFamily;
    this.patterns = {};
    this.words = Object.fromEntries(COLORS.map((name) => [name, packColor(this[name])]));
  }

  /** Returns a repeated pattern, whose lines have the color of the page's background, or undefined. */
  pattern(ctx, kind, shift) {
    if (!DRAW[kind]) return undefined;
    this.patterns[kind] ??= ctx.createPattern(tile(kind, (tileContext) => {
      tileContext.fillStyle = tileContext.strokeStyle = this.panel;
      tileContext.globalAlpha = kind === 'grid' ? 0.35 : 0.42;
      DRAW[kind](tileContext);
    }), 'repeat');
    // The pattern moves together with the data.
    this.patterns[kind].setTransform(new DOMMatrix([1, 0, 0, 1, -(shift % PATTERN_SIZE), 0]));
    return this.patterns[kind];
  }
}

/** Converts `rgb(1, 2, 3)` to a pixel of an `ImageData` on a little-endian processor. */
function packColor(color) {
  const [r, g, b] = color.match(/[\d.]+/g).map(Number);
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}
