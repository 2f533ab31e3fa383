// Checks the pages of the book in a browser. The script .ci/book-pages runs this program, and
// describes the checks.
import { createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { AxeBuilder, launch, overflow, saveWebp, unreachableBox } from './browser.mjs';

const BOOK = resolve('target/book');
const SIDE_BY_SIDE = 2;
const DEADLINE_MS = 15_000;
const PHONE = { width: 400, height: 800 };
const DESK = { width: 1600, height: 900 };
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
// Slow checks run on only one page of each kind: the first page that matches a pattern of the kind.
// The second pattern is used only if no page matches the first pattern.
const KINDS = {
  introduction: [/^index\.html$/],
  lesson: [/^lessons\/\d\d-endings\.html$/, /^lessons\/\d\d-.*\.html$/],
  'lesson with traces': [/^lessons\/\d\d-live-view\.html$/],
  'lesson with siblings': [/^lessons\/\d\d-side-by-side\.html$/, /^lessons\/\d\d-cancellation\.html$/],
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

/** Returns the number of siblings that a page shows. Lessons omit mio, which has several files. */
const siblingsOn = (name) => (name.startsWith('siblings/') ? 5 : 4);

const errors = [];
let checks = 0;

function addError(page, what, help) {
  errors.push(`${page}: ${what}; help: ${help}`.replace(/\s+/g, ' '));
}

function check(page, isCorrect, what, help) {
  checks += 1;
  if (!isCorrect) addError(page, what, help);
}

/** Returns the result of `work`. If `work` fails, reports an error in the page and returns undefined. */
async function attempt(page, work) {
  try {
    return await work();
  } catch (error) {
    addError(page, error.message.split('\n')[0], 'open the page: cargo run -p docs-tool -- book --open');
    return undefined;
  }
}

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

/** Returns the paths of the book's pages. Omits the HTML reports of records, which are not pages. */
function pagesOfBook() {
  const html = filesBelow(BOOK).filter((path) => path.endsWith('.html'));
  const own = html.filter((path) => readFileSync(path, 'utf8').includes('id="mdbook-sidebar"'));
  const names = own.map((path) => relative(BOOK, path).replaceAll('\\', '/'));
  return names.filter((name) => name !== 'print.html').sort();
}

/** Serves the book on the loopback interface. */
async function serve() {
  const server = createServer((request, response) => {
    const path = resolve(BOOK, `.${decodeURIComponent(new URL(request.url, 'http://x').pathname)}`);
    if (!path.startsWith(BOOK) || !existsSync(path) || statSync(path).isDirectory()) {
      response.writeHead(404).end();
      return;
    }
    const type = TYPES[extname(path)] ?? 'text/plain; charset=utf-8';
    // All pages use the same style sheet, script and fonts, so the browser may cache these files.
    response.writeHead(200, { 'content-type': type, 'cache-control': 'max-age=3600' });
    createReadStream(path).pipe(response);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { server, base: `http://127.0.0.1:${server.address().port}/` };
}

/** Opens a browser tab. Reports all errors that occur in the pages of this tab. */
async function openTab(browser, base, options = {}) {
  const context = await browser.newContext({ viewport: PHONE, ...options });
  context.setDefaultTimeout(DEADLINE_MS);
  // Without this replacement, the page for printing would open the print dialog.
  await context.addInitScript(() => (window.print = () => {}));
  const page = await context.newPage();
  const seen = { name: '' };
  page.on('console', (message) => {
    if (message.type() === 'error') addError(seen.name, `console: ${message.text()}`, 'see docs/book/highwater.js');
  });
  page.on('pageerror', (error) => addError(seen.name, `script: ${error.message}`, 'see docs/book/highwater.js'));
  page.on('request', (request) => {
    const url = request.url();
    const isOwn = url.startsWith(base) || url.startsWith('data:') || url.startsWith('blob:');
    if (!isOwn) addError(seen.name, `the page loads ${url} from another host`, 'see docs/book/book.toml');
  });
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText;
    if (why !== 'net::ERR_ABORTED') addError(seen.name, `${request.url()}: ${why}`, 'find the element of the page that loads this URL');
  });
  page.on('response', (response) => {
    if (response.status() >= 400) {
      addError(seen.name, `${response.url().slice(base.length)}: ${response.status()}`, 'fix the link, or add the file to the book');
    }
  });
  const open = async (name) => {
    seen.name = name;
    await page.goto(base + name, { waitUntil: 'load' });
  };
  return { context, page, open };
}

function nextFrame(page) {
  return page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** The pictures of traces. mdBook adds a hidden copy of each picture, which it shows enlarged. */
const TRACES = 'main img[src*="pictures/flow-"]:not(.img-wrapper img)';

/** Scrolls to each picture of a trace, and waits until the player has replaced it. */
async function showPlayers(page) {
  const pictures = page.locator(TRACES);
  const count = await pictures.count();
  for (let index = 0; index < count; index += 1) {
    await pictures.nth(index).evaluate((picture) => (picture.closest('.hw-trace') ?? picture).scrollIntoView());
    await page.locator('.hw-trace').nth(index).locator('canvas').first().waitFor({ state: 'attached' });
  }
  if (count > 0) await nextFrame(page);
  return count;
}

/** Checks the Right, Left, End and Home keys in the first list of tabs on a page. */
async function checkTabKeys(page, name) {
  const list = page.locator('.hw-siblings [role="tablist"]').first();
  const isThere = (await list.count()) === 1;
  check(name, isThere, 'expected tabs on a narrow screen, got none', 'see docs/book/highwater.js');
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
  const last = siblingsOn(name) - 1;
  for (const [key, at] of [['Home', 0], ['ArrowRight', 1], ['ArrowLeft', 0], ['ArrowLeft', last], ['ArrowRight', 0], ['End', last], ['Home', 0]]) {
    await page.keyboard.press(key);
    const now = await state();
    const isCorrect = now.at === at && now.isSound && now.focused;
    check(name, isCorrect, `expected tab ${at} to be selected and focused after the key ${key}, got ${JSON.stringify(now)}`, 'see docs/book/highwater.js');
  }
}

/** Checks a page at the widths of a phone and of a desktop. Returns the page's ids and links. */
async function checkPage({ page, open }, name) {
  await page.setViewportSize(PHONE);
  await open(name);
  // Folded text is opened, so that the checks include it. The page's script measures the opened
  // boxes in the next frame.
  await page.evaluate(() => document.querySelectorAll('details').forEach((e) => (e.open = true)));
  const traces = await showPlayers(page);
  const hasPlayer = await page.evaluate(() => 'flowPlayer' in window);
  check(name, hasPlayer === traces > 0, `expected the player only on pages with traces, got ${traces} traces and ${hasPlayer ? 'a' : 'no'} player`, 'see docs/book/highwater.js');
  await nextFrame(page);
  const narrow = await overflow(page);
  check(name, narrow === null, `the page scrolls horizontally at 400 px: ${narrow}`, 'make the box scroll, or break the word, in docs/book/highwater.css');
  const box = await unreachableBox(page);
  check(name, box === null, `the keyboard cannot reach a box that scrolls, or the box has no accessible name: ${box}`, 'see docs/book/highwater.js');
  const hasSiblings = (await page.locator('.hw-siblings').count()) > 0;
  if (hasSiblings) await checkTabKeys(page, name);
  const titles = await page.locator('main h1').count();
  check(name, titles === 1, `expected 1 heading of level 1, got ${titles}`, 'fix the headings of the page');
  await page.setViewportSize(DESK);
  await nextFrame(page);
  const wide = await overflow(page);
  check(name, wide === null, `the page scrolls horizontally at 1600 px: ${wide}`, 'see docs/book/highwater.css');
  if (hasSiblings) {
    const shown = await page.locator('.hw-siblings').first().locator('.hw-sibling:visible').count();
    const expected = siblingsOn(name);
    check(name, shown === expected, `expected ${expected} siblings at 1600 px, got ${shown}`, 'see docs/book/highwater.css');
    const wideCode = await page.locator('.hw-sibling pre > code[tabindex]').count();
    check(name, wideCode === 0, `the code of ${wideCode} siblings scrolls horizontally at 1600 px`, 'see COLUMNS_MAX in crates/docs-tool/src/book/siblings.rs');
  }
  return page.evaluate(() => ({
    ids: [...document.querySelectorAll('[id]')].map((e) => e.id),
    links: [...document.querySelectorAll('main a[href], nav a[href]')].map((e) => e.href),
  }));
}

/** Reports broken links in the built book. */
function checkLinks(base, found) {
  for (const [name, { links }] of found) {
    checks += 1;
    for (const link of new Set(links)) {
      if (!link.startsWith(base)) continue;
      const url = new URL(link);
      const path = decodeURIComponent(url.pathname).slice(1) || 'index.html';
      // In a URL, the text after `:~:` is a text fragment, which is not part of the id.
      const id = decodeURIComponent(url.hash.slice(1).split(':~:')[0]);
      if (!existsSync(join(BOOK, path))) addError(name, `the link to ${path} is broken`, 'fix the link in the Markdown file');
      const target = found.get(path);
      if (id && target && !target.ids.includes(id)) addError(name, `expected the id "${id}" in ${path}, got none`, 'link to an existing heading');
    }
  }
}

/** Collects the violations that axe finds. Pages with the same violation share one entry. */
async function checkAccessibility({ page, open }, name, scheme, violations) {
  for (const [size, viewport] of Object.entries({ phone: PHONE, desk: DESK })) {
    await page.setViewportSize(viewport);
    await open(name);
    await showPlayers(page);
    // Dark mode changes only the colors, so only the rules about colors are checked in dark mode.
    const builder = new AxeBuilder({ page }).options({ resultTypes: ['violations'] });
    if (scheme === 'dark') builder.withRules(['color-contrast', 'link-in-text-block']);
    // Except for the entry of the current page, the table of contents is the same on all pages. The
    // table is long, so axe checks all entries only on index.html.
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

async function checkThemes(browser, base, kinds, screenshots) {
  const violations = new Map();
  const inScheme = async (colorScheme) => {
    const tabOfScheme = await openTab(browser, base, { colorScheme });
    for (const [kind, name] of kinds) {
      await attempt(name, () => checkAccessibility(tabOfScheme, name, colorScheme, violations));
      const isDark = await tabOfScheme.page.evaluate(() => {
        const [r, g, b] = getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g).map(Number);
        return r + g + b < 384;
      });
      check(name, isDark === (colorScheme === 'dark'), `expected a ${colorScheme} page, got a ${isDark ? 'dark' : 'light'} page`, 'see docs/book/book.toml');
      if (screenshots) await saveScreenshots(tabOfScheme, kind, name, colorScheme, screenshots);
    }
    await tabOfScheme.context.close();
  };
  await Promise.all(['light', 'dark'].map(inScheme));
  for (const { what, names } of violations.values()) {
    addError(names[0], `${what}${names.length > 1 ? `, also on ${names.length - 1} other pages` : ''}`, 'see docs/book/highwater.css');
  }
}

async function saveScreenshots({ page, open }, kind, name, scheme, folder) {
  for (const [size, viewport] of [['400', PHONE], ['1600', DESK]]) {
    await page.setViewportSize(viewport);
    await open(name);
    await page.screenshot({ path: join(folder, `${kind.replaceAll(' ', '-')}-${size}-${scheme}.png`) });
  }
}

async function checkSearch(browser, base) {
  const { context, page, open } = await openTab(browser, base, { viewport: DESK });
  await open('index.html');
  await page.keyboard.press('s');
  await page.locator('#mdbook-searchbar').pressSequentially('backpressure');
  const first = page.locator('#mdbook-searchresults a').first();
  const isFound = await first.waitFor({ timeout: DEADLINE_MS }).then(() => true, () => false);
  check('index.html', isFound, 'the search does not find "backpressure"', 'see [output.html.search] in docs/book/book.toml');
  if (isFound) {
    await first.click();
    await page.waitForLoadState('load');
    const text = await page.locator('main').innerText();
    check(page.url(), /backpressure/i.test(text), 'the page of the first search result does not contain "backpressure"', 'see docs/book/book.toml');
  }
  await context.close();
}

/** Selects a tab on the first page, and checks that the same tab is selected on the last page. */
async function checkStoredTab(browser, base, names) {
  const { context, page, open } = await openTab(browser, base);
  await open(names[0]);
  await page.getByRole('tab', { name: 'smol' }).first().click();
  await open(names.at(-1));
  const chosen = await page.locator('[role="tab"][aria-selected="true"]').first().textContent();
  check(names.at(-1), chosen === 'smol', `expected the selected tab to be "smol", as on the first page, got "${chosen}"`, 'see docs/book/highwater.js');
  await context.close();
}

/** Checks that the copy button of a console block copies only the commands. */
async function checkCopying(browser, base, name) {
  const { context, page, open } = await openTab(browser, base, { viewport: DESK });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await open(name);
  const block = page.locator('pre:has(code.language-console)').first();
  if ((await block.count()) > 0) {
    const shown = (await block.locator('code').innerText()).split('\n');
    await block.hover();
    await block.locator('.clip-button').click();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    const isCorrect = shown[0] === `$ ${copied.split('\n')[0]}` && !copied.includes('$ ') && shown.length > copied.split('\n').length;
    check(name, isCorrect, `expected only the commands of a console block to be copied, got "${copied.slice(0, 60)}"`, 'see playground_text in docs/book/highwater.js');
  }
  await context.close();
}

/** Checks that a page shows five siblings side by side in readable letters, and hides only its own table of contents. */
async function checkFiveColumns(browser, base, name) {
  const { context, page, open } = await openTab(browser, base, { viewport: DESK });
  const contents = page.locator('#mdbook-sidebar a').first();
  await open(name);
  await nextFrame(page);
  const { tops, size } = await page.locator('.hw-sibling').evaluateAll((parts) => ({
    tops: parts.map((part) => part.getBoundingClientRect().top),
    size: Math.min(...parts.flatMap((part) => [...part.querySelectorAll('code')].map((e) => parseFloat(getComputedStyle(e).fontSize)))),
  }));
  const isOneRow = tops.length === 5 && new Set(tops).size === 1;
  check(name, isOneRow && size >= 11, `expected 5 siblings side by side with letters of at least 11 px, got siblings at ${tops.join(', ')} px with letters of ${size} px`, 'see docs/book/highwater.css');
  check(name, !(await contents.isVisible()), 'expected no table of contents beside five columns, got one', 'see hideContents in docs/book/highwater.js');
  await open('index.html');
  check('index.html', await contents.isVisible(), `the table of contents is hidden after the page ${name} was opened`, 'see hideContents in docs/book/highwater.js');
  await open(name);
  await page.locator('#mdbook-sidebar-toggle').click();
  check(name, await contents.isVisible(), 'the menu button does not show the table of contents', 'see hideContents in docs/book/highwater.js');
  await context.close();
}

async function checkWithoutScript(browser, base, name) {
  const { context, page, open } = await openTab(browser, base, { javaScriptEnabled: false });
  await open(name);
  const shown = await page.locator('.hw-sibling:visible').count();
  const expected = siblingsOn(name);
  check(name, shown >= expected, `expected at least ${expected} siblings without JavaScript, got ${shown}`, 'see docs/book/highwater.css');
  await context.close();
}

/**
 * Checks that the arrow keys move the cursor of a player and do not open another page, that the
 * picture of the trace is printed in place of the player, and that it is visible without JavaScript.
 */
async function checkTraces(browser, base, name) {
  const help = 'see docs/book/highwater.js';
  const isShown = (page, selector) => page.locator(selector).first().isVisible();
  const { context, page, open } = await openTab(browser, base, { viewport: DESK });
  await open(name);
  await showPlayers(page);
  await page.locator('.hw-trace .flow-strip').first().focus();
  await page.keyboard.press('ArrowRight');
  await nextFrame(page);
  check(name, page.url() === base + name, `expected the arrow key to move the cursor, but it opened ${page.url()}`, help);
  check(name, (await isShown(page, '.hw-trace > .flow')) && !(await isShown(page, '.hw-trace > img')), 'expected a player and no picture on the screen', help);
  await page.emulateMedia({ media: 'print' });
  check(name, (await isShown(page, '.hw-trace > img')) && !(await isShown(page, '.hw-trace > .flow')), 'expected a picture and no player on paper', help);
  await context.close();
  const plain = await openTab(browser, base, { javaScriptEnabled: false });
  await plain.open(name);
  check(name, await isShown(plain.page, TRACES), 'expected a picture without JavaScript', help);
  await plain.context.close();
}

/** Returns the number of folded parts of a page, and the number of these parts that show their text. */
function details(page) {
  return page.evaluate(() => {
    const folded = [...document.querySelectorAll('main details:not([open], .flow *)')];
    // Hidden text has no height.
    const isShown = (e) => e.offsetHeight > 2 * e.querySelector('summary').offsetHeight;
    return { all: folded.length, shown: folded.filter(isShown).length };
  });
}

/** Checks that hints, answers and solutions are folded on the screen, but not on paper. */
async function checkFolding(browser, base, name) {
  const { context, page, open } = await openTab(browser, base, { viewport: DESK });
  await open(name);
  const onScreen = await details(page);
  check(name, onScreen.all > 0 && onScreen.shown === 0, `expected at least 1 folded part and no visible folded text, got ${onScreen.all} folded parts, ${onScreen.shown} with visible text`, 'see docs/book/highwater.css');
  await page.emulateMedia({ media: 'print' });
  const onPaper = await details(page);
  check(name, onPaper.shown === onPaper.all, `expected ${onPaper.all} printed folded parts, got ${onPaper.shown}`, 'see @media print in docs/book/highwater.css');
  await context.close();
}

async function checkPrint(browser, base, hasSiblings) {
  const { context, page, open } = await openTab(browser, base, { viewport: DESK });
  await open('print.html');
  await page.emulateMedia({ media: 'print' });
  const seen = await page.evaluate(() => ({
    siblings: [...document.querySelectorAll('.hw-sibling')].map((e) => e.offsetHeight > 0),
    hasCode: [...document.querySelectorAll('h1')].some((e) => e.textContent === 'crates/serve-tokio/src/lib.rs'),
    length: document.querySelector('main').innerText.length,
  }));
  check('print.html', seen.siblings.every(Boolean), 'a sibling is not printed', 'see @media print in docs/book/highwater.css');
  check('print.html', !hasSiblings || seen.siblings.length >= 4, `expected at least 4 siblings, got ${seen.siblings.length}`, 'see crates/docs-tool/src/book');
  check('print.html', !seen.hasCode, 'the page contains a whole source file', 'see shorten_print in crates/docs-tool/src/book/mdbook.rs');
  check('print.html', seen.length > 50_000, `expected more than 50000 characters, got ${seen.length}`, 'see shorten_print in crates/docs-tool/src/book/mdbook.rs');
  await context.close();
}

/** Saves the README's picture of the book as WebP. The picture shows the siblings side by side. */
async function savePicture(browser, base, file) {
  const { context, page, open } = await openTab(browser, base, { viewport: { width: 1400, height: 900 } });
  await open('lessons/index.html');
  await page.locator('main a', { hasText: 'Side by side' }).first().click();
  const heading = page.locator('h3:has(+ .hw-siblings)').first();
  await heading.evaluate((element) => {
    element.scrollIntoView();
    scrollBy(0, -90); // The menu bar covers the top of the page.
  });
  await nextFrame(page);
  await saveWebp(page, file);
  await context.close();
}

async function main() {
  const { values } = parseArgs({
    options: { only: { type: 'string', default: '' }, screenshots: { type: 'string' }, picture: { type: 'string' } },
  });
  const began = Date.now();
  const since = () => `${((Date.now() - began) / 1000).toFixed(0)} s`;
  const report = (text) => process.stdout.write(`book-pages: ${text} (${since()})\n`);
  const all = pagesOfBook();
  const names = all.filter((name) => name.includes(values.only));
  if (names.length === 0) {
    process.stderr.write(`error: no path of a page contains \`${values.only}\`\nhelp: remove --only\n`);
    return 2;
  }
  if (values.screenshots) mkdirSync(values.screenshots, { recursive: true });
  const { server, base } = await serve();
  const browser = await launch();
  try {
    if (values.picture) {
      await savePicture(browser, base, values.picture);
      return 0;
    }
    report(`opening ${names.length} of ${all.length} pages`);
    const found = new Map();
    const waiting = [...names];
    let done = 0;
    const work = async () => {
      const worker = await openTab(browser, base);
      for (let name = waiting.shift(); name; name = waiting.shift()) {
        const seen = await attempt(name, () => checkPage(worker, name));
        if (seen) found.set(name, seen);
        done += 1;
        if (done % 50 === 0) report(`opened ${done} of ${names.length} pages`);
      }
      await worker.context.close();
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
    if (names.length === all.length) checkLinks(base, found);
    const kinds = Object.entries(KINDS).flatMap(([kind, patterns]) => {
      const name = patterns.map((pattern) => names.find((name) => pattern.test(name))).find(Boolean);
      return name ? [[kind, name]] : [];
    });
    report(`checking light and dark mode on ${kinds.length} kinds of pages`);
    await checkThemes(browser, base, kinds, values.screenshots);
    report('checking the search, printing, and a page without JavaScript');
    const siblings = names.filter((name) => name.startsWith('siblings/') && !name.endsWith('index.html'));
    await attempt('index.html', () => checkSearch(browser, base));
    const lesson = kinds.find(([kind]) => kind === 'lesson')?.[1];
    if (lesson) await attempt(lesson, () => checkCopying(browser, base, lesson));
    const withTraces = kinds.find(([kind]) => kind === 'lesson with traces')?.[1];
    if (withTraces) await attempt(withTraces, () => checkTraces(browser, base, withTraces));
    if (siblings.length > 0) {
      await attempt(siblings[0], () => checkStoredTab(browser, base, siblings));
      await attempt(siblings[0], () => checkFiveColumns(browser, base, siblings[0]));
      await attempt(siblings[0], () => checkWithoutScript(browser, base, siblings[0]));
    }
    const folded = names.find((name) => readFileSync(join(BOOK, name), 'utf8').includes('<details>'));
    for (const name of ['print.html', ...(folded ? [folded] : [])]) await attempt(name, () => checkFolding(browser, base, name));
    await attempt('print.html', () => checkPrint(browser, base, siblings.length > 0));
  } finally {
    await browser.close();
    server.close();
  }
  for (const line of [...new Set(errors)]) process.stdout.write(`${line}\n`);
  const count = new Set(errors).size;
  report(count === 0 ? `${checks} checks on ${names.length} pages passed` : `${count} error${count === 1 ? '' : 's'}`);
  return count === 0 ? 0 : 1;
}

process.exitCode = await main();
