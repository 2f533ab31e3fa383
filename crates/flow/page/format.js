// Formats values, and creates elements.
//
// The modules in this folder have no default exports, import only each other, and use different
// names at the top level. Therefore, a program can also inline them: it concatenates the modules in
// the order of their imports, and removes the lines that begin with `import` and the word `export`.

/** Creates an element. Texts are set as text nodes, so that the names of servers are never markup. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (typeof value === 'boolean') element.toggleAttribute(name, value);
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/** Shows the parts of a message between backticks as code. */
export function withCode(text) {
  return text.split('`').map((part, index) => (index % 2 === 1 ? el('code', {}, part) : part));
}

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB'];

/** Formats a number of bytes with three digits: `2.50 MiB`. */
export function formatBytes(bytes) {
  if (!Number.isFinite(bytes)) return 'unknown';
  let value = bytes;
  let unit = -1;
  while (Math.abs(value) >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  if (unit < 0) return `${Math.round(value)} B`;
  const digits = Number.isInteger(value) || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

export function formatCount(count) {
  return Number.isFinite(count) ? count.toLocaleString('en-US') : 'unknown';
}

/** Formats a number of bytes exactly, and in a unit that is easy to read. */
export function formatExact(bytes) {
  if (!Number.isFinite(bytes)) return 'unknown';
  const exact = `${formatCount(bytes)} ${bytes === 1 ? 'byte' : 'bytes'}`;
  return Math.abs(bytes) < 1000 ? exact : `${exact} (${formatBytes(bytes)})`;
}

/** Formats a time in microseconds as seconds: `12.345 s`. */
export function formatTime(us, digits = 3) {
  return `${(us / 1e6).toFixed(digits)} s`;
}

export function formatDuration(us) {
  if (us < 120e6) return `${Math.round(us / 1e6)} s`;
  if (us < 7200e6) return `${Math.round(us / 60e6)} min`;
  return `${Math.round(us / 3600e6)} h`;
}

/** Formats the speed of a client. `null` and `undefined` mean that the speed is unlimited. */
export function formatSpeed(speed) {
  if (speed === null || speed === undefined) return 'unlimited';
  return speed === 0 ? 'paused' : `${formatBytes(speed)}/s`;
}

export function plural(count, noun) {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}
