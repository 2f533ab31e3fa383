// Adds features to mdBook: columns or tabs of siblings, keyboard access to code boxes that scroll,
// and a choice between light and dark mode. Without this script, all pages still show their whole
// text.
'use strict';

(() => {
  const SHOWN = 'highwater.shown'; // The sibling of the selected tab.
  const HIDDEN = 'highwater.hidden'; // The siblings that are not shown in the columns.
  const blocks = [...document.querySelectorAll('.hw-siblings')].map(prepare);

  function prepare(element, number) {
    const columns = element.querySelector('.hw-columns');
    const parts = [...columns.querySelectorAll('.hw-sibling')];
    const choice = document.createElement('div');
    choice.className = 'hw-choice';
    const buttons = parts.map((part) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = part.dataset.sibling;
      button.id = `hw-choice-${number}-${part.dataset.sibling}`;
      part.id = `hw-part-${number}-${part.dataset.sibling}`;
      button.addEventListener('click', () => choose(part.dataset.sibling));
      choice.append(button);
      return button;
    });
    choice.addEventListener('keydown', moveFocus);
    columns.before(choice);
    return { element, columns, parts, choice, buttons, isTabs: undefined };
  }

  // The next two functions ignore errors, because a browser can deny access to storage, for example
  // in a private window.
  function readSetting(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  }

  function saveSetting(key, value) {
    try {
      localStorage.setItem(key, value);
    } catch {}
  }

  function choose(sibling) {
    const isTabs = blocks.some((block) => block.isTabs);
    if (isTabs) {
      saveSetting(SHOWN, sibling);
      shown = sibling;
    } else {
      hidden = hidden.includes(sibling) ? hidden.filter((name) => name !== sibling) : [...hidden, sibling];
      // At least one sibling must be visible.
      if (blocks.some(isHidden)) hidden = hidden.filter((name) => name !== sibling);
      saveSetting(HIDDEN, hidden.join(' '));
    }
    blocks.forEach(show);
  }

  // Implements the keyboard control of tabs according to the ARIA Authoring Practices Guide.
  function moveFocus(event) {
    const buttons = [...event.currentTarget.children];
    const at = buttons.indexOf(document.activeElement);
    if (event.currentTarget.getAttribute('role') !== 'tablist' || at < 0) return;
    const last = buttons.length - 1;
    const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation(); // Without this call, mdBook would open the next page.
    buttons[to].focus();
    buttons[to].click();
  }

  let shown = readSetting(SHOWN) ?? 'std';
  let hidden = (readSetting(HIDDEN) ?? '').split(' ').filter((name) => name !== '');

  function show(block) {
    const names = block.parts.map((part) => part.dataset.sibling);
    const tab = names.includes(shown) ? shown : names[0];
    const { isTabs, choice, columns } = block;
    set(choice, 'role', isTabs ? 'tablist' : 'group');
    set(choice, 'aria-label', `${block.element.dataset.label}: ${isTabs ? 'sibling' : 'siblings shown'}`);
    // On another page, the reader may have hidden all siblings that this block contains.
    const showsAll = isHidden(block);
    block.parts.forEach((part, at) => {
      const button = block.buttons[at];
      const name = part.dataset.sibling;
      const isShown = isTabs ? name === tab : showsAll || !hidden.includes(name);
      part.hidden = !isShown;
      set(part, 'role', isTabs ? 'tabpanel' : null);
      set(part, 'aria-labelledby', isTabs ? button.id : null);
      set(button, 'role', isTabs ? 'tab' : null);
      set(button, 'aria-controls', part.id);
      set(button, 'aria-selected', isTabs ? String(isShown) : null);
      set(button, 'aria-pressed', isTabs ? null : String(isShown));
      set(button, 'tabindex', isTabs && !isShown ? '-1' : null);
    });
    const count = block.parts.filter((part) => !part.hidden).length;
    // With at most three siblings, the columns are wide enough for long lines.
    columns.toggleAttribute('data-few', count < 4);
    columns.style.gridTemplateColumns = `repeat(min(var(--hw-count), ${count}), minmax(0, 1fr))`;
    block.parts.forEach((part) => boxesIn(part).forEach(makeReachable));
  }

  function isHidden(block) {
    return block.parts.every((part) => hidden.includes(part.dataset.sibling));
  }

  function set(element, name, value) {
    if (value === null) element.removeAttribute(name);
    else element.setAttribute(name, value);
  }

  function fit(block) {
    const room = getComputedStyle(block.columns).getPropertyValue('--hw-count').trim();
    const isTabs = room === '1';
    if (isTabs === block.isTabs) return;
    block.isTabs = isTabs;
    show(block);
  }

  // Five columns need almost the whole width of a window that is 1,600 pixels wide. If the table of
  // contents takes this width, hide the table on this page. The reader can show the table with the
  // menu button. mdBook's own code would also hide the table on the other pages.
  function hideContents() {
    const root = document.documentElement;
    const toggle = document.getElementById('mdbook-sidebar-toggle-anchor');
    const contents = document.getElementById('mdbook-sidebar');
    root.classList.add('sidebar-resizing'); // Disables the animation.
    toggle.checked = false;
    root.classList.remove('sidebar-visible');
    contents.style.display = 'none';
    contents.setAttribute('aria-hidden', 'true');
    contents.querySelectorAll('a').forEach((link) => (link.tabIndex = -1));
    document.getElementById('mdbook-sidebar-toggle').setAttribute('aria-expanded', 'false');
    root.getBoundingClientRect(); // Applies the styles before the animation is enabled again.
    root.classList.remove('sidebar-resizing');
  }

  const FIVE_COLUMNS = matchMedia('(min-width: 1571px)'); // Includes a vertical scroll bar.
  const needsWidth = ({ columns, parts }) =>
    parts.length > 4 && getComputedStyle(columns).getPropertyValue('--hw-count').trim() !== '5';
  if (FIVE_COLUMNS.matches && blocks.some(needsWidth)) hideContents();

  const widths = new ResizeObserver((entries) => {
    entries.forEach((entry) => fit(blocks.find((block) => block.element === entry.target)));
  });
  blocks.forEach((block) => {
    fit(block);
    widths.observe(block.element);
  });

  // A box that scrolls must be reachable with the keyboard, and needs a name for screen readers.
  function boxesIn(element) {
    return [...element.querySelectorAll('pre > code, .table-wrapper')];
  }

  function makeReachable(box) {
    const scrolls = box.scrollWidth > box.clientWidth + 1;
    const kind = box.matches('code') ? 'Code' : 'Table';
    set(box, 'tabindex', scrolls ? '0' : null);
    set(box, 'role', scrolls ? 'group' : null);
    set(box, 'aria-label', scrolls ? `${kind}, scrolls horizontally` : null);
  }

  const sizes = new ResizeObserver((entries) => entries.forEach((entry) => makeReachable(entry.target)));
  boxesIn(document).forEach((box) => {
    sizes.observe(box);
    box.addEventListener('keydown', (event) => {
      const scrolls = box.hasAttribute('tabindex') && ['ArrowLeft', 'ArrowRight'].includes(event.key);
      if (scrolls) event.stopPropagation(); // Without this call, mdBook would open the next page.
    });
  });

  // The copy button of a console block must copy only the commands, without the prompt and the
  // output. mdBook calls `playground_text` to get the text that the button copies.
  const textOf = window.playground_text;
  window.playground_text = (block, ...rest) => {
    const text = textOf(block, ...rest);
    return block.querySelector('code.language-console') ? commandsIn(text) : text;
  };

  function commandsIn(text) {
    let continues = false;
    const commands = text.split('\n').filter((line) => {
      const isCommand = continues || line.startsWith('$ ');
      continues = isCommand && line.endsWith('\\');
      return isCommand;
    });
    return commands.map((line) => line.replace(/^\$ /, '')).join('\n');
  }

  // A player replaces each picture of a trace, except on the page for printing. The player and the
  // traces are scripts, because browsers load neither modules nor data from a folder on a disk.
  const isPrinted = location.pathname.endsWith('/print.html');
  const selector = 'main img[src*="pictures/flow-"]:not(.img-wrapper img)';
  const pictures = isPrinted ? [] : [...document.querySelectorAll(selector)];
  const player = pictures.length > 0 ? loadScript(`${path_to_root}flow-player.js`) : undefined;
  const visible = new IntersectionObserver((entries) => {
    for (const { target } of entries.filter(({ isIntersecting }) => isIntersecting)) {
      visible.unobserve(target);
      play(target).catch((error) => console.error(error));
    }
  }, { rootMargin: '800px' });
  pictures.forEach((picture) => visible.observe(picture));
  if (player) {
    const style = document.createElement('link');
    style.rel = 'stylesheet';
    style.href = `${path_to_root}flow-player.css`;
    document.head.append(style);
  }

  function loadScript(url) {
    return new Promise((done, failed) => {
      const script = document.createElement('script');
      script.src = url;
      script.onload = () => done(script);
      script.onerror = () => failed(new Error(`cannot load ${url}`));
      document.head.append(script);
    });
  }

  // If a script cannot be loaded, the picture stays.
  async function play(picture) {
    const [trace] = await Promise.all([loadScript(picture.src.replace(/\.svg$/, '.js')), player]);
    const figure = document.createElement('figure');
    figure.className = 'hw-trace';
    figure.setAttribute('aria-label', picture.alt);
    const view = document.createElement('div');
    // Without this call, the arrow keys would open another page of the book.
    view.addEventListener('keydown', (event) => event.stopPropagation());
    const paragraph = picture.closest('p');
    // mdBook's label enlarges the picture.
    const label = picture.closest('label');
    paragraph.before(figure);
    figure.append(picture, view);
    label?.remove();
    if (paragraph.childElementCount === 0) paragraph.remove();
    window.flowPlayer.createPlayer(view, { traceText: trace.flowTrace });
  }

  // mdBook's menu button is a `<label>`. Without this code, the keyboard cannot reach the button,
  // and the button has no role.
  const menu = document.getElementById('mdbook-sidebar-toggle');
  if (menu) {
    menu.tabIndex = 0;
    set(menu, 'role', 'button');
    menu.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      menu.click();
    });
  }

  // If the first heading of a page has level 3, mdBook puts a list directly into another list. HTML
  // requires an `<li>` between the lists.
  addEventListener('DOMContentLoaded', () => {
    document.querySelectorAll('.on-this-page ol > ol').forEach((list) => {
      const item = document.createElement('li');
      list.replaceWith(item);
      item.append(list);
    });
  });

  // The menu offers only three themes: light, dark, and the theme of the system.
  ['rust', 'coal', 'ayu'].forEach((theme) => {
    document.getElementById(`mdbook-theme-${theme}`)?.parentElement.remove();
  });
  const dark = document.getElementById('mdbook-theme-navy');
  if (dark) dark.textContent = 'Dark';
})();
