// Functions for the program that checks the page of the live view.
import { spawn } from 'node:child_process';

const DEADLINE_MS = 15_000;
export const DESK = { width: 1600, height: 900 };

export const errors = [];
let checks = 0;

export function check(name, isCorrect, what) {
  checks += 1;
  if (!isCorrect) errors.push(`${name}: ${what}`.replace(/\s+/g, ' '));
}

export function report(text) {
  process.stdout.write(`flow-page: ${text}\n`);
}

/** Starts flow, and waits until it prints the URL of its page. */
export async function startFlow(program, args) {
  const child = spawn(program, [...args, '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((done) => child.once('exit', done));
  const url = await new Promise((done, fail) => {
    let text = '';
    child.stdout.on('data', (data) => {
      text += data;
      const found = /http:\/\/\S+/.exec(text);
      if (found) done(found[0]);
    });
    child.once('exit', (code) => fail(new Error(`expected flow to print a URL, got the exit code ${code}`)));
    child.once('error', fail);
    setTimeout(() => fail(new Error(`expected a URL within ${DEADLINE_MS} ms`)), DEADLINE_MS).unref();
  });
  const stop = () => {
    child.kill('SIGINT');
    return ended;
  };
  return { url, stop };
}

/** Opens a browser tab in a context of its own. Reports errors that occur in the tab, and requests to other hosts. */
export async function openTab(browser, name, options = {}) {
  const context = await browser.newContext({ viewport: DESK, ...options });
  context.setDefaultTimeout(DEADLINE_MS);
  const page = await context.newPage();
  page.on('pageerror', (error) => check(name, false, `script: ${error.stack}`));
  page.on('console', (message) => {
    // Failed requests have their own checks.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load')) check(name, false, `console: ${message.text()}`);
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    const isOwn = url.hostname === '127.0.0.1' || url.protocol === 'data:' || url.protocol === 'blob:' || url.protocol === 'about:';
    if (!isOwn) check(name, false, `the page loads ${request.url()} from another host`);
  });
  return page;
}

export async function openLive(browser, name, url, options) {
  const page = await openTab(browser, name, options);
  await page.goto(url);
  await page.locator('#state', { hasText: 'Live' }).waitFor();
  return page;
}

/** Waits until a function returns true in the page. Returns false if the deadline passes first. */
export function waitUntil(page, body, argument) {
  return page.waitForFunction(body, argument, { timeout: DEADLINE_MS }).then(() => true, () => false);
}

/** The heading of the list of clients contains their number. */
export const listTitle = (page) => page.locator('summary', { hasText: 'Running clients' });

export async function openClients(page) {
  return Number((await listTitle(page).textContent()).replace(/\D/g, ''));
}

export function waitForClients(page, min, max = 1e9) {
  const body = ([least, most]) => {
    const title = [...document.querySelectorAll('summary')].find(({ textContent }) => textContent.startsWith('Running clients ('));
    const count = title ? Number(title.textContent.replace(/\D/g, '')) : NaN;
    return count >= least && count <= most;
  };
  return waitUntil(page, body, [min, max]);
}

export async function endClients(page, name) {
  await page.getByRole('button', { name: 'End all' }).click();
  check(name, await waitForClients(page, 0, 0), 'clients still run after a click on "End all"');
}

/** Prints the errors. Returns the exit code. */
export function summarize() {
  const lines = [...new Set(errors)];
  for (const line of lines) process.stdout.write(`${line}\n`);
  report(lines.length === 0 ? `${checks} checks passed` : `${lines.length} errors`);
  return lines.length === 0 ? 0 : 1;
}
