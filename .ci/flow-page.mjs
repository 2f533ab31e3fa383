// Checks the page of the live view in a browser. The script .ci/flow-page runs this program, and
// describes the checks.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { AxeBuilder, launch, overflow, saveWebp, unreachableBox } from './browser.mjs';
import { check, DESK, endClients, errors, listTitle, openClients, openLive, openTab, report, startFlow, summarize, waitForClients, waitUntil } from './flow.mjs';

const PHONE = { width: 400, height: 800 };
/** The maximum time from a click on "Add clients" to the row of the client. */
const ROW_MS_MAX = 200;
const FRAMES_PER_SECOND_MIN = 30;
const CONNECTIONS = 1000;
/** The maximum number of running processes per core at which the frame rate is checked. */
const LOAD_MAX = 2;
/** The maximum memory of the tables of a page, in bytes: see `ROWS_MAX` in model.js. */
const TABLE_BYTES_MAX = 250e6;
const PAGE = resolve('crates/flow/page');
/** The modules of the player in the order of their imports. */
const MODULES = ['format', 'series', 'model', 'theme', 'draw', 'heat', 'bands', 'describe', 'strips', 'details', 'panel', 'interaction', 'player'];

/** Measures the time from a click to the frame that shows the row of the new client. */
async function checkDelay(page) {
  // A client that reads at full speed can end before the next frame.
  await page.locator('#speed').focus();
  await page.keyboard.press('Home');
  const delays = [];
  for (let run = 0; run < 5; run += 1) {
    delays.push(await page.evaluate(() => new Promise((done) => {
      const text = document.querySelector('.flow-server .flow-head p');
      const before = text.textContent;
      const begin = performance.now();
      const look = () => (text.textContent === before && performance.now() - begin < 5000 ? requestAnimationFrame(look) : done(performance.now() - begin));
      document.querySelector('.flow-form button[type="submit"]').click();
      look();
    })));
    await endClients(page, 'delay');
    await page.waitForTimeout(300);
  }
  const median = delays.sort((a, b) => a - b)[2];
  check('delay', median < ROW_MS_MAX, `expected the row of a new client within ${ROW_MS_MAX} ms, got ${median.toFixed(0)} ms`);
  report(`a new client appears ${median.toFixed(0)} ms after the click (median of ${delays.map((delay) => delay.toFixed(0)).join(', ')})`);
}

/** Checks that the slider changes running clients, and that the list changes single clients. */
async function checkSpeeds(page) {
  await page.locator('#speed').focus();
  await page.keyboard.press('Home');
  await page.getByRole('button', { name: 'Add clients' }).click();
  check('speed', await waitForClients(page, 1), 'expected at least 1 client, got 0');
  await listTitle(page).click();
  const isSpeed = (value) => waitUntil(page, (speed) => document.querySelector('.flow-clients select')?.value === speed, value);
  check('speed', await isSpeed('0'), 'a new client is not paused');
  await page.locator('#speed').focus();
  await page.keyboard.press('ArrowRight');
  check('speed', await isSpeed('1024'), 'the slider does not change the running client');
  await page.locator('.flow-clients select').first().selectOption({ label: '64 KiB/s' });
  check('speed', await isSpeed('65536'), 'the list does not change the client');
  const count = await openClients(page);
  await page.getByRole('button', { name: /^End client/ }).first().click();
  check('speed', await waitForClients(page, 0, count - 1), 'the button in the list does not end the client');
  await endClients(page, 'speed');
}

async function checkScenarios(page) {
  const buttons = page.locator('.flow-scenarios button');
  for (let index = 0; index < (await buttons.count()); index += 1) {
    const name = await buttons.nth(index).locator('b').textContent();
    await buttons.nth(index).click();
    check(`scenario ${name}`, await waitForClients(page, 1), 'expected at least 1 client, got 0');
    const failed = page.locator('.flow-notice[data-kind="error"]');
    if ((await failed.count()) > 0) check(`scenario ${name}`, false, `message: ${await failed.first().textContent()}`);
    await endClients(page, `scenario ${name}`);
  }
}

async function startSlowReader(page) {
  await page.getByRole('button', { name: /^Slow reader/ }).click();
  check('scenario', await waitForClients(page, 1), 'expected at least 1 client, got 0');
  await page.waitForTimeout(2000);
}

/** Operates the charts with the keyboard. */
async function checkKeyboard(page) {
  const spoken = () => page.locator('#player [aria-live="polite"]').textContent();
  const tip = page.locator('.flow-tip');
  // A screen reader gets the values 150 ms after the last key.
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
    await page.waitForTimeout(300);
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  };
  await page.locator('.flow-zoom button').last().focus();
  await press('Tab');
  await press('ArrowLeft', 'Shift+ArrowLeft');
  const first = await spoken();
  check('keyboard', /^\d+\.\d+ s\. Connection #\d+\. .*In the send buffer: [\d,]+ bytes.*kernel/.test(first), `expected the values of a connection, got "${first}"`);
  check('keyboard', await tip.isVisible(), 'the values are not visible beside the selected row');
  check('keyboard', (await page.locator('.flow-play').textContent()) === 'Resume', 'the view does not pause');
  await press('ArrowDown');
  check('keyboard', (await spoken()) !== first, 'the Down key does not select the next row');
  for (let row = 0; row < 30 && !(await spoken()).includes('Thread'); row += 1) await press('ArrowDown');
  check('keyboard', /Thread .*State: /.test(await spoken()), 'the Down key does not reach the threads');
  const zoom = () => page.locator('.flow-zoom output').textContent();
  const length = await zoom();
  await press('+');
  check('keyboard', (await zoom()) !== length, 'the + key does not zoom');
  await press('-', 'Home', 'End', 'Escape');
  check('keyboard', !(await tip.isVisible()), 'the Escape key does not hide the values');
  await press('Space');
  check('keyboard', (await page.locator('.flow-play').textContent()) === 'Pause', 'the Space key does not resume');
}

/** Compares the sum of the parts in the table with the length of the reply. */
async function checkTable(page) {
  await page.locator('summary', { hasText: 'Table' }).click();
  await page.locator('.flow-play').click();
  await page.locator('.flow-more table tbody tr').first().waitFor();
  const rows = await page.locator('.flow-more table').first().locator('tbody tr').evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.textContent)));
  const bytes = (text) => Number(/^[\d,]+/.exec(text)?.[0].replaceAll(',', '') ?? 0);
  const sums = rows.map((cells) => [3, 4, 5, 7, 9].reduce((sum, column) => sum + bytes(cells[column]), 0));
  check('table', sums.length > 0 && sums.every((sum) => sum === sums[0] && sum > 0), `expected the parts of each reply to have the same sum, got ${sums.join(', ')}`);
  await page.locator('.flow-play').click();
}

async function checkAccessibility(browser, url, screenshots) {
  for (const colorScheme of ['light', 'dark']) {
    for (const [size, viewport] of Object.entries({ 400: PHONE, 1600: DESK })) {
      const name = `${size} px, ${colorScheme}`;
      const page = await openLive(browser, name, url, { viewport, colorScheme });
      await page.waitForTimeout(1000);
      if (screenshots) await page.screenshot({ path: join(screenshots, `live-${size}-${colorScheme}.png`), fullPage: size === '400' });
      await page.evaluate(() => document.querySelectorAll('details').forEach((element) => (element.open = true)));
      await page.waitForTimeout(500);
      const wide = await overflow(page);
      check(name, wide === null, `the page scrolls horizontally: ${wide}`);
      const box = await unreachableBox(page);
      check(name, box === null, `the keyboard cannot reach a box that scrolls, or the box has no name: ${box}`);
      const found = await new AxeBuilder({ page }).options({ resultTypes: ['violations'] }).analyze();
      check(name, found.violations.length === 0, found.violations.map(({ id, help, nodes }) => `axe: ${id}: ${help} (${nodes[0].html.slice(0, 160)}: ${nodes[0].failureSummary})`).join('; '));
      await page.context().close();
    }
  }
}

/** With reduced motion, the time axis moves once per second. */
async function checkReducedMotion(browser, url) {
  const page = await openLive(browser, 'reduced motion', url, { reducedMotion: 'reduce' });
  await page.waitForTimeout(1000);
  const images = await page.evaluate(async () => {
    const seen = new Set();
    for (let count = 0; count < 30; count += 1) {
      seen.add(document.querySelector('.flow-axis canvas').toDataURL());
      await new Promise((done) => setTimeout(done, 100));
    }
    return seen.size;
  });
  check('reduced motion', images <= 5, `expected at most 5 pictures of the time axis within 3 s, got ${images}`);
  await page.context().close();
}

function framesPerSecond(page) {
  return page.evaluate(() => new Promise((done) => {
    let count = -1;
    let first;
    const frame = (time) => {
      first ??= time;
      count += 1;
      if (time - first < 2000) requestAnimationFrame(frame);
      else done((count * 1000) / (time - first));
    };
    requestAnimationFrame(frame);
  }));
}

/** Measures the frame rate and the heap with many connections. */
async function checkLoad(page, screenshots) {
  await page.locator('.flow-form input[type="number"]').fill(String(CONNECTIONS));
  await page.locator('#speed').focus();
  await page.keyboard.press('Home');
  await page.getByRole('button', { name: 'Add clients' }).click();
  check('load', await waitForClients(page, 2 * CONNECTIONS), `expected ${2 * CONNECTIONS} clients, got ${await openClients(page)}`);
  // Clients that read slowly change the values of every connection in every sample.
  await page.locator('#speed').focus();
  await page.keyboard.press('ArrowRight');
  await page.waitForTimeout(2000);
  let best = 0;
  for (let window = 0; window < 5; window += 1) best = Math.max(best, await framesPerSecond(page));
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  // While many other programs run, for example the other steps of CI, the rate is not meaningful.
  const load = loadavg()[0] / availableParallelism();
  check('load', best >= FRAMES_PER_SECOND_MIN || load > LOAD_MAX, `expected at least ${FRAMES_PER_SECOND_MIN} frames per second, got ${best.toFixed(1)}`);
  report(`2 × ${CONNECTIONS} connections: ${best.toFixed(1)} frames per second (${load.toFixed(1)} running processes per core), heap ${(usedSize / 2 ** 20).toFixed(0)} MiB`);
  if (screenshots) await page.screenshot({ path: join(screenshots, 'load-1600-light.png') });
  await endClients(page, 'load');
}

/** Applies the lines of 10 minutes with 2,000 connections, and measures the memory of the tables. */
async function checkMemory() {
  const { Model } = await import(join(PAGE, 'model.js'));
  const model = new Model();
  model.setHeader({ flow_trace: 1, system: 'linux', file_bytes: 8 << 20, servers: ['a', 'b'] });
  let most = 0;
  for (let at_us = 0; at_us < 600e6; at_us += 200_000) {
    for (let number = 1; number <= 2 * CONNECTIONS; number += 1) {
      model.apply({ type: 'connection', at_us, server: number % 2, connection: number, state: 'writing', written: at_us, received: at_us, read: at_us });
    }
    let bytes = 0;
    if (at_us % 10e6 === 0) for (const server of model.servers) for (const { series } of server.connections.values()) bytes += series.data.byteLength;
    most = Math.max(most, bytes);
  }
  check('memory', most < TABLE_BYTES_MAX, `expected tables of at most ${TABLE_BYTES_MAX} bytes, got ${most}`);
  check('memory', model.servers[0].connections.size === CONNECTIONS, 'open connections were dropped');
  report(`10 minutes of 2 × ${CONNECTIONS} connections: tables of at most ${(most / 2 ** 20).toFixed(0)} MiB`);
}

/** Replays a trace with the program. */
async function checkReplay(browser, program, trace, screenshots) {
  const folder = mkdtempSync(join(tmpdir(), 'flow-page-'));
  const file = join(folder, 'trace.jsonl');
  writeFileSync(file, trace);
  const flow = await startFlow(program, ['replay', file]);
  try {
    const page = await openTab(browser, 'replay');
    await page.goto(flow.url);
    await page.locator('#state', { hasText: 'Replay' }).waitFor();
    await checkPlaying(page, 'replay');
    check('replay', !(await page.locator('#controls').isVisible()), 'the page shows the controls of clients');
    if (screenshots) await page.screenshot({ path: join(screenshots, 'replay-1600-light.png') });
  } finally {
    await flow.stop();
    rmSync(folder, { recursive: true });
  }
}

/** Shows traces in another page, into which the player is inlined. */
async function checkInlined(browser, trace) {
  const css = readFileSync(join(PAGE, 'flow.css'), 'utf8');
  const code = MODULES.map((name) => readFileSync(join(PAGE, `${name}.js`), 'utf8')).join('\n').replace(/^import .*$/gm, '').replace(/^export /gm, '');
  const page = await openTab(browser, 'inlined player');
  await page.setContent(`<!doctype html><html lang="en"><title>test</title><style>${css}</style><main><h1>Test</h1><div id="player"></div></main>`);
  const shows = async (text) => {
    await page.evaluate(() => document.querySelector('#player').replaceChildren());
    await page.evaluate(`(() => { ${code}; createPlayer(document.querySelector('#player'), { traceText: ${JSON.stringify(text)} }); })()`);
    return page.locator('#player').innerText();
  };
  await shows(trace);
  await checkPlaying(page, 'inlined player');
  check('truncated trace', /truncated/.test(await shows(trace.slice(0, -200))), 'expected a message, got none');
  check('other version', /version 999/.test(await shows(trace.replace(/"flow_trace":\d+/, '"flow_trace":999'))), 'expected a message, got none');
  check('no trace', /not a trace/.test(await shows('{}\n')), 'expected a message, got none');
}

async function checkPlaying(page, name) {
  const clock = page.locator('.flow-clock');
  await page.getByRole('button', { name: 'Play' }).click();
  const before = await clock.textContent();
  const isMoving = await waitUntil(page, (text) => document.querySelector('.flow-clock').textContent !== text, before);
  check(name, isMoving, 'the time does not change');
  await page.getByRole('button', { name: 'Pause' }).click();
}

/** Opens the page with another token, and ends the program while the page is open. */
async function checkMessages(browser, url, page, stop) {
  const refused = await openTab(browser, 'invalid token');
  await refused.goto(url.replace(/token=.*/, 'token=0'));
  const notice = refused.locator('.flow-notice', { hasText: /token/i });
  check('invalid token', await notice.waitFor().then(() => true, () => false), 'expected a message, got none');
  await stop();
  check('end', await waitUntil(page, () => /lost/i.test(document.querySelector('#state').textContent)), 'the page does not show that the connection is lost');
  check('end', (await page.locator('.flow-notice', { hasText: /connection to flow is lost/ }).count()) === 1, 'expected a message, got none');
}

/** Saves the README's picture: 200 non-reading clients per server. */
async function savePicture(browser, url, file) {
  const page = await openLive(browser, 'picture', url, { viewport: { width: 1600, height: 1100 } });
  await page.locator('.flow-form input[type="number"]').fill('200');
  await page.locator('#speed').focus();
  await page.keyboard.press('Home');
  await page.waitForTimeout(4000);
  await page.getByRole('button', { name: 'Add clients' }).click();
  await waitForClients(page, 400);
  await page.waitForTimeout(12_000);
  await saveWebp(page, file);
}

async function checkPage(browser, program, flow, screenshots) {
  const page = await openLive(browser, 'live', flow.url);
  report('checking the controls');
  await checkDelay(page);
  await checkSpeeds(page);
  await startSlowReader(page);
  await checkKeyboard(page);
  await checkTable(page);
  await checkScenarios(page);
  await startSlowReader(page);
  report('checking accessibility');
  await checkAccessibility(browser, flow.url, screenshots);
  await checkReducedMotion(browser, flow.url);
  const trace = await page.evaluate(() => fetch(document.querySelector('#save').href).then((response) => response.text()));
  await endClients(page, 'live');
  report('checking the replay');
  await checkReplay(browser, program, trace, screenshots);
  await checkInlined(browser, trace);
  report('checking many connections');
  await checkLoad(page, screenshots);
  await checkMessages(browser, flow.url, page, flow.stop);
}

async function main() {
  const { values } = parseArgs({
    options: { flow: { type: 'string', default: 'target/debug/flow' }, screenshots: { type: 'string' }, picture: { type: 'string' } },
  });
  const program = resolve(values.flow);
  if (values.screenshots) mkdirSync(values.screenshots, { recursive: true });
  const flow = await startFlow(program, []);
  const browser = await launch();
  try {
    if (values.picture) {
      await savePicture(browser, flow.url, values.picture);
      return 0;
    }
    await checkPage(browser, program, flow, values.screenshots);
    await checkMemory();
  } catch (error) {
    errors.push(error.stack);
  } finally {
    await browser.close();
    await flow.stop();
  }
  return summarize();
}

process.exitCode = await main();
