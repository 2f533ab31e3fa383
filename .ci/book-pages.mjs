// The part of .ci/book-pages that drives the browser; it says there what it looks for.
import { createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { extname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const require = createRequire(resolve('target/book-pages/package.json'));
const { chromium } = require('playwright-core');
const { AxeBuilder } = require('@axe-core/playwright');

const BOOK = resolve('target/book');
const SIDE_BY_SIDE = 2;
const DEADLINE_MS = 15_000;
const PHONE = { width: 400, height: 800 };
const DESK = { width: 1280, height: 900 };
const TYPES = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
};
// One page of each kind, for what takes long; the first that is there stands for its kind.
const KINDS = {
  introduction: [/^index\.html$/],
  lesson: [/^lessons\/05-.*\.html$/, /^lessons\/\d\d-.*\.html$/],
  'lesson with siblings': [/^lessons\/12-.*\.html$/, /^lessons\/06-.*\.html$/],
  'cheat sheet': [/^lessons\/cheat-sheet\.html$/],
  lessons: [/^lessons\/index\.html$/],
  exercises: [/^lessons\/exercises\/index\.html$/],
  exercise: [/^lessons\/exercises\/\d\d-[^/]*\/index\.html$/],
  solution: [/\/solution\.html$/],
  siblings: [/^siblings\/accept\.html$/],
  'table of siblings': [/^siblings\/index\.html$/],
  docs: [/^docs\/CONTRACT\.html$/],
  code: [/^code\/crates\/serve-tokio\/src\/lib\.rs\.html$/],
  folder: [/^code\/crates\/index\.html$/],
  record: [/^benches\/records\/.*race\.html$/],
};

const faults = [];
let checks = 0;

function fault(page, what, mend) {
  faults.push(`${page}: ${what}; mend: ${mend}`.replace(/\s+/g, ' '));
}

function holds(page, isSo, what, mend) {
  checks += 1;
  if (!isSo) fault(page, what, mend);
}

/** What the browser could not do is a fault of the page, too. */
async function attempt(page, work) {
  try {
    return await work();
  } catch (error) {
    fault(page, error.message.split('\n')[0], 'open it by hand: cargo run -p docs-tool -- book --open');
    return undefined;
  }
}

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

/** The book's own pages: a record's report is a file that the book only links to. */
function pagesOfBook() {
  const html = filesBelow(BOOK).filter((path) => path.endsWith('.html'));
  const own = html.filter((path) => readFileSync(path, 'utf8').includes('id="mdbook-sidebar"'));
  const names = own.map((path) => relative(BOOK, path).replaceAll('\\', '/'));
  return names.filter((name) => name !== 'print.html').sort();
}

/** Serves the book on loopback, and nothing else. */
async function serve() {
  const server = createServer((request, response) => {
    const path = resolve(BOOK, `.${decodeURIComponent(new URL(request.url, 'http://x').pathname)}`);
    if (!path.startsWith(BOOK) || !existsSync(path) || statSync(path).isDirectory()) {
      response.writeHead(404).end();
      return;
    }
    const type = TYPES[extname(path)] ?? 'text/plain; charset=utf-8';
    // Style, script and fonts are the same for all pages.
    response.writeHead(200, { 'content-type': type, 'cache-control': 'max-age=3600' });
    createReadStream(path).pipe(response);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { server, base: `http://127.0.0.1:${server.address().port}/` };
}

/** A browser's tab that takes down whatever goes wrong in it. */
async function tab(browser, base, options = {}) {
  const context = await browser.newContext({ viewport: PHONE, ...options });
  context.setDefaultTimeout(DEADLINE_MS);
  // The page for printing opens the print dialogue by itself.
  await context.addInitScript(() => (window.print = () => {}));
  const page = await context.newPage();
  const seen = { name: '' };
  page.on('console', (message) => {
    if (message.type() === 'error') fault(seen.name, `console: ${message.text()}`, 'see docs/book/highwater.js');
  });
  page.on('pageerror', (error) => fault(seen.name, `script: ${error.message}`, 'see docs/book/highwater.js'));
  page.on('request', (request) => {
    const url = request.url();
    const isOwn = url.startsWith(base) || url.startsWith('data:') || url.startsWith('blob:');
    if (!isOwn) fault(seen.name, `asks another host: ${url}`, 'let the page do without, see docs/book/book.toml');
  });
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText;
    if (why !== 'net::ERR_ABORTED') fault(seen.name, `${request.url()}: ${why}`, 'see what it is for');
  });
  page.on('response', (response) => {
    if (response.status() >= 400) {
      fault(seen.name, `${response.url().slice(base.length)}: ${response.status()}`, 'mend the link or copy the file');
    }
  });
  const open = async (name) => {
    seen.name = name;
    await page.goto(base + name, { waitUntil: 'load' });
  };
  return { context, page, open };
}

/** Whether a page scrolls sideways, and what sticks out. */
function sideways(page) {
  return page.evaluate(() => {
    const room = document.documentElement.clientWidth;
    const width = Math.max(document.documentElement.scrollWidth, document.body.scrollWidth);
    if (width <= room) return null;
    const clips = (e) => ['auto', 'scroll', 'hidden'].includes(getComputedStyle(e).overflowX);
    const inBox = (e) => e.parentElement && e !== document.body && (clips(e.parentElement) || inBox(e.parentElement));
    const out = [...document.querySelectorAll('main *')].find((e) => e.getBoundingClientRect().right > room + 1 && !inBox(e));
    return `${width} px in ${room} px${out ? `, because of <${out.tagName.toLowerCase()}> ${out.textContent.slice(0, 40)}` : ''}`;
  });
}

/** Boxes that scroll, but that no keyboard reaches, or that have no name. */
function unreachable(page) {
  return page.evaluate(() => {
    const boxes = [...document.querySelectorAll('main *')].filter(
      (e) => e.scrollWidth > e.clientWidth + 1 && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX),
    );
    const bad = boxes.find((e) => e.clientWidth > 0 && (e.tabIndex < 0 || !e.getAttribute('aria-label')));
    return bad ? `<${bad.tagName.toLowerCase()}> ${bad.textContent.slice(0, 40)}` : null;
  });
}

function nextTurn(page) {
  return page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** The keys of the first tabs of a page: right, left, End, Home; the page must stay. */
async function tabsByKeyboard(page, name) {
  const list = page.locator('.hw-siblings [role="tablist"]').first();
  const isThere = (await list.count()) === 1;
  holds(name, isThere, 'has no tabs on a narrow screen', 'see docs/book/highwater.js');
  if (!isThere) return;
  const state = () =>
    list.evaluate((element) => {
      const tabs = [...element.querySelectorAll('[role="tab"]')];
      const chosen = tabs.filter((tab) => tab.getAttribute('aria-selected') === 'true');
      const panels = tabs.map((tab) => document.getElementById(tab.getAttribute('aria-controls')));
      const visible = panels.filter((panel) => panel.role === 'tabpanel' && panel.offsetHeight > 0);
      const named = visible[0]?.getAttribute('aria-labelledby') === chosen[0]?.id;
      const focused = document.activeElement === chosen[0];
      const stops = tabs.filter((tab) => tab.tabIndex === 0).length;
      return { at: tabs.indexOf(chosen[0]), isSound: chosen.length === 1 && visible.length === 1 && named && stops === 1, focused };
    });
  await list.locator('[aria-selected="true"]').focus();
  for (const [key, at] of [['Home', 0], ['ArrowRight', 1], ['ArrowLeft', 0], ['ArrowLeft', 3], ['ArrowRight', 0], ['End', 3], ['Home', 0]]) {
    await page.keyboard.press(key);
    const now = await state();
    const isSo = now.at === at && now.isSound && now.focused;
    holds(name, isSo, `the tabs are at ${JSON.stringify(now)} after ${key}`, 'see docs/book/highwater.js');
  }
}

/** What every page has to hold, on a phone and on a desk. Tells its ids and links. */
async function look({ page, open }, name) {
  await page.setViewportSize(PHONE);
  await open(name);
  // What is folded counts, too. Boxes are measured anew after a turn of the page.
  await page.evaluate(() => document.querySelectorAll('details').forEach((e) => (e.open = true)));
  await nextTurn(page);
  const narrow = await sideways(page);
  holds(name, narrow === null, `scrolls sideways at 400 px: ${narrow}`, 'let the box scroll or the word break, see docs/book/highwater.css');
  const deaf = await unreachable(page);
  holds(name, deaf === null, `no keyboard reaches a box that scrolls: ${deaf}`, 'see docs/book/highwater.js');
  const hasSiblings = (await page.locator('.hw-siblings').count()) > 0;
  if (hasSiblings) await tabsByKeyboard(page, name);
  const titles = await page.locator('main h1').count();
  holds(name, titles === 1, `has ${titles} headings of the first level`, 'let it have one');
  await page.setViewportSize(DESK);
  await nextTurn(page);
  const wide = await sideways(page);
  holds(name, wide === null, `scrolls sideways at 1280 px: ${wide}`, 'see docs/book/highwater.css');
  if (hasSiblings) {
    const shown = await page.locator('.hw-siblings').first().locator('.hw-sibling:visible').count();
    holds(name, shown === 4, `shows ${shown} siblings at 1280 px`, 'see docs/book/highwater.css');
  }
  return page.evaluate(() => ({
    ids: [...document.querySelectorAll('[id]')].map((e) => e.id),
    links: [...document.querySelectorAll('main a[href], nav a[href]')].map((e) => e.href),
  }));
}

/** Links that lead nowhere in the built book. */
function dead(base, found) {
  for (const [name, { links }] of found) {
    checks += 1;
    for (const link of new Set(links)) {
      if (!link.startsWith(base)) continue;
      const url = new URL(link);
      const path = decodeURIComponent(url.pathname).slice(1) || 'index.html';
      // What follows `:~:` are words to show, and no id.
      const id = decodeURIComponent(url.hash.slice(1).split(':~:')[0]);
      if (!existsSync(join(BOOK, path))) fault(name, `a link leads to nothing: ${path}`, 'mend it in its Markdown');
      const target = found.get(path);
      if (id && target && !target.ids.includes(id)) fault(name, `no #${id} in ${path}`, 'name a heading that is there');
    }
  }
}

/** What axe finds, told once for all pages where it finds the same. */
async function axe({ page, open }, name, scheme, violations) {
  for (const [size, viewport] of Object.entries({ phone: PHONE, desk: DESK })) {
    await page.setViewportSize(viewport);
    await open(name);
    // What is not about colours is the same in the dark.
    const builder = new AxeBuilder({ page }).options({ resultTypes: ['violations'] });
    if (scheme === 'dark') builder.withRules(['color-contrast', 'link-in-text-block']);
    // The contents are the same on all pages, and they are long; those of this page are not.
    if (name !== 'index.html') builder.exclude('.chapter > .chapter-item:not(:has(.on-this-page))');
    const found = await builder.analyze();
    checks += 1;
    for (const { id, impact, help, nodes } of found.violations) {
      if (!['serious', 'critical'].includes(impact)) continue;
      const { html, failureSummary } = nodes[0];
      const why = failureSummary.split('\n')[1]?.trim() ?? '';
      const what = `axe, ${scheme}, ${size}: ${id}: ${help} (first ${html.slice(0, 160)}: ${why})`;
      const key = `${scheme} ${size} ${id}`;
      if (violations.has(key)) violations.get(key).names.push(name);
      else violations.set(key, { what, names: [name] });
    }
  }
}

async function themes(browser, base, kinds, screenshots) {
  const violations = new Map();
  const inScheme = async (colorScheme) => {
    const tabOfScheme = await tab(browser, base, { colorScheme });
    for (const [kind, name] of kinds) {
      await attempt(name, () => axe(tabOfScheme, name, colorScheme, violations));
      const isDark = await tabOfScheme.page.evaluate(() => {
        const [r, g, b] = getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g).map(Number);
        return r + g + b < 384;
      });
      holds(name, isDark === (colorScheme === 'dark'), `is not ${colorScheme} where the system is`, 'see docs/book/book.toml');
      if (screenshots) await pictures(tabOfScheme, kind, name, colorScheme, screenshots);
    }
    await tabOfScheme.context.close();
  };
  await Promise.all(['light', 'dark'].map(inScheme));
  for (const { what, names } of violations.values()) {
    fault(names[0], `${what}${names.length > 1 ? `, and on ${names.length - 1} more` : ''}`, 'see docs/book/highwater.css');
  }
}

async function pictures({ page, open }, kind, name, scheme, folder) {
  for (const [size, viewport] of [['400', PHONE], ['1280', DESK]]) {
    await page.setViewportSize(viewport);
    await open(name);
    await page.screenshot({ path: join(folder, `${kind.replaceAll(' ', '-')}-${size}-${scheme}.png`) });
  }
}

async function search(browser, base) {
  const { context, page, open } = await tab(browser, base, { viewport: DESK });
  await open('index.html');
  await page.keyboard.press('s');
  await page.locator('#mdbook-searchbar').pressSequentially('backpressure');
  const first = page.locator('#mdbook-searchresults a').first();
  const isFound = await first.waitFor({ timeout: DEADLINE_MS }).then(() => true, () => false);
  holds('index.html', isFound, 'search does not find "backpressure"', 'see [output.html.search] in docs/book/book.toml');
  if (isFound) {
    await first.click();
    await page.waitForLoadState('load');
    const says = await page.locator('main').innerText();
    holds(page.url(), /backpressure/i.test(says), 'search leads to a page without the word', 'see docs/book/book.toml');
  }
  await context.close();
}

/** What was chosen on one page is chosen on the next. */
async function remembers(browser, base, names) {
  const { context, page, open } = await tab(browser, base);
  await open(names[0]);
  await page.getByRole('tab', { name: 'smol' }).first().click();
  await open(names.at(-1));
  const chosen = await page.locator('[role="tab"][aria-selected="true"]').first().textContent();
  holds(names.at(-1), chosen === 'smol', `shows ${chosen} after smol was chosen elsewhere`, 'see docs/book/highwater.js');
  await context.close();
}

/** What is copied of a console can be pasted into one. */
async function copies(browser, base, name) {
  const { context, page, open } = await tab(browser, base, { viewport: DESK });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await open(name);
  const block = page.locator('pre:has(code.language-console)').first();
  if ((await block.count()) > 0) {
    const shown = (await block.locator('code').innerText()).split('\n');
    await block.hover();
    await block.locator('.clip-button').click();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    const isSo = shown[0] === `$ ${copied.split('\n')[0]}` && !copied.includes('$ ') && shown.length > copied.split('\n').length;
    holds(name, isSo, `copies "${copied.slice(0, 60)}" of a console`, 'see playground_text in docs/book/highwater.js');
  }
  await context.close();
}

async function withoutScript(browser, base, name) {
  const { context, page, open } = await tab(browser, base, { javaScriptEnabled: false });
  await open(name);
  const shown = await page.locator('.hw-sibling:visible').count();
  holds(name, shown >= 4, `shows ${shown} siblings without JavaScript`, 'see docs/book/highwater.css');
  await context.close();
}

async function print(browser, base, hasSiblings) {
  const { context, page, open } = await tab(browser, base, { viewport: DESK });
  await open('print.html');
  await page.emulateMedia({ media: 'print' });
  const seen = await page.evaluate(() => ({
    siblings: [...document.querySelectorAll('.hw-sibling')].map((e) => e.offsetHeight > 0),
    hasCode: [...document.querySelectorAll('h1')].some((e) => e.textContent === 'crates/serve-tokio/src/lib.rs'),
    length: document.querySelector('main').innerText.length,
  }));
  holds('print.html', seen.siblings.every(Boolean), 'a sibling is hidden on paper', 'see @media print in docs/book/highwater.css');
  holds('print.html', !hasSiblings || seen.siblings.length >= 4, 'has no siblings', 'see crates/docs-tool/src/book');
  holds('print.html', !seen.hasCode, 'has whole files', 'see shorten_print in crates/docs-tool/src/book/mdbook.rs');
  holds('print.html', seen.length > 50_000, `has only ${seen.length} characters`, 'see that mdBook makes it');
  await context.close();
}

async function main() {
  const { values } = parseArgs({
    options: { only: { type: 'string', default: '' }, screenshots: { type: 'string' } },
  });
  const began = Date.now();
  const since = () => `${((Date.now() - began) / 1000).toFixed(0)} s`;
  const say = (words) => process.stdout.write(`book-pages: ${words} (${since()})\n`);
  const all = pagesOfBook();
  const names = all.filter((name) => name.includes(values.only));
  if (names.length === 0) {
    process.stderr.write(`book-pages: no page's path contains ${values.only}; mend: leave out --only\n`);
    return 2;
  }
  if (values.screenshots) mkdirSync(values.screenshots, { recursive: true });
  const { server, base } = await serve();
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
  try {
    say(`opening ${names.length} of ${all.length} pages`);
    const found = new Map();
    const waiting = [...names];
    let done = 0;
    const work = async () => {
      const worker = await tab(browser, base);
      for (let name = waiting.shift(); name; name = waiting.shift()) {
        const seen = await attempt(name, () => look(worker, name));
        if (seen) found.set(name, seen);
        done += 1;
        if (done % 50 === 0) say(`${done} of ${names.length} opened`);
      }
      await worker.context.close();
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
    if (names.length === all.length) dead(base, found);
    const kinds = Object.entries(KINDS).flatMap(([kind, patterns]) => {
      const name = patterns.map((pattern) => names.find((name) => pattern.test(name))).find(Boolean);
      return name ? [[kind, name]] : [];
    });
    say(`light and dark: ${kinds.length} kinds of page`);
    await themes(browser, base, kinds, values.screenshots);
    say('search, print, without JavaScript');
    const siblings = names.filter((name) => name.startsWith('siblings/') && !name.endsWith('index.html'));
    await attempt('index.html', () => search(browser, base));
    const lesson = names.find((name) => name.startsWith('lessons/05-'));
    if (lesson) await attempt(lesson, () => copies(browser, base, lesson));
    if (siblings.length > 0) {
      await attempt(siblings[0], () => remembers(browser, base, siblings));
      await attempt(siblings[0], () => withoutScript(browser, base, siblings[0]));
    }
    await attempt('print.html', () => print(browser, base, siblings.length > 0));
  } finally {
    await browser.close();
    server.close();
  }
  for (const line of [...new Set(faults)]) process.stdout.write(`${line}\n`);
  const count = new Set(faults).size;
  say(count === 0 ? `${checks} checks held, pages opened: ${names.length}` : `${count} fault${count === 1 ? '' : 's'}`);
  return count === 0 ? 0 : 1;
}

process.exitCode = await main();
