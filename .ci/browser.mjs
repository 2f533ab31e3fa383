// Functions for the programs that check pages in Chromium.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const require = createRequire(resolve('target/book-pages/package.json'));
const { chromium } = require('playwright-core');
export const { AxeBuilder } = require('@axe-core/playwright');

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
}

/** Returns the reason why a page scrolls horizontally, or null if the page does not scroll. */
export function overflow(page) {
  return page.evaluate(() => {
    const room = document.documentElement.clientWidth;
    const width = Math.max(document.documentElement.scrollWidth, document.body.scrollWidth);
    if (width <= room) return null;
    const clips = (e) => ['auto', 'scroll', 'hidden'].includes(getComputedStyle(e).overflowX);
    const inBox = (e) => e.parentElement && e !== document.body && (clips(e.parentElement) || inBox(e.parentElement));
    const out = [...document.querySelectorAll('main *')].find((e) => e.getBoundingClientRect().right > room + 1 && !inBox(e));
    return `expected at most ${room} px, got ${width} px${out ? `, because of <${out.tagName.toLowerCase()}> ${out.textContent.slice(0, 40)}` : ''}`;
  });
}

/**
 * Describes the first box that scrolls horizontally, but has no accessible name or cannot be reached
 * with the keyboard. Returns null if there is no such box.
 */
export function unreachableBox(page) {
  return page.evaluate(() => {
    const boxes = [...document.querySelectorAll('main *')].filter(
      (e) => e.scrollWidth > e.clientWidth + 1 && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX),
    );
    const bad = boxes.find((e) => e.clientWidth > 0 && (e.tabIndex < 0 || !e.getAttribute('aria-label')));
    return bad ? `<${bad.tagName.toLowerCase()}> ${bad.textContent.slice(0, 40)}` : null;
  });
}

/** Saves a screenshot of the visible part of a page as WebP. */
export async function saveWebp(page, file) {
  const png = (await page.screenshot()).toString('base64');
  // Playwright can save a screenshot only as PNG or JPEG, but the browser can save a canvas as
  // WebP.
  const webp = await page.evaluate(async (png) => {
    const image = new Image();
    image.src = `data:image/png;base64,${png}`;
    await image.decode();
    const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height });
    canvas.getContext('2d').drawImage(image, 0, 0);
    return canvas.toDataURL('image/webp', 0.9).split(',')[1];
  }, png);
  writeFileSync(file, Buffer.from(webp, 'base64'));
}
