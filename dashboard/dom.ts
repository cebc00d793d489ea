/** Elements, made and kept up to date without anything inline: the page's policy forbids that. */

type Child = Node | string | number | undefined | false;
type Attribute = string | number | boolean | undefined;
type Listeners = { readonly [K in keyof HTMLElementEventMap as `on${K}`]?: (event: HTMLElementEventMap[K]) => void };
export type Attributes = Listeners & Readonly<Record<string, Attribute | ((event: never) => void)>>;

/** An element. Attributes that are undefined or false are left out; `onclick` and the like are listeners. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value as EventListener);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  append(element, children);
  return element;
}

/** An element of SVG. */
export function s(
  tag: string,
  attributes: Readonly<Record<string, string | number>>,
  ...children: readonly Child[]
): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  append(element, children);
  return element;
}

/** Replaces what an element holds. */
export function fill(element: Element, ...children: readonly Child[]): void {
  element.replaceChildren();
  append(element, children);
}

/** Changes a text only where it is another: what is unchanged is not laid out again. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

function append(element: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === undefined || child === false) continue;
    element.append(typeof child === 'number' ? String(child) : child);
  }
}

/** A button that says what it does. */
export function button(label: string, onclick: () => void, attributes: Attributes = {}): HTMLButtonElement {
  return h('button', { type: 'button', ...attributes, onclick }, label);
}

/** Pairs of what is told and what it is, as a list of definitions; what is empty is left out. */
export function facts(pairs: readonly (readonly [name: string, value: Child])[]): HTMLElement {
  return h(
    'dl',
    { class: 'facts' },
    ...pairs.flatMap(([name, value]) =>
      value === undefined || value === false || value === '' ? [] : [h('dt', {}, name), h('dd', {}, value)],
    ),
  );
}

/** A word with a colour that says how good it is; the word says it, too. */
export function badge(word: string): HTMLElement {
  return h('span', { class: `badge ${toneOf(word)}` }, word);
}

const GOOD = new Set([
  'Serving',
  'serving',
  'synced',
  'CONNECTED',
  'healthy',
  'connected',
  'completed',
  'ready',
  'kernel',
  'created',
]);
const BAD = new Set([
  'Failed',
  'Invalid',
  'failed',
  'NACK',
  'unhealthy',
  'ejected',
  'refused',
  'rolled-back',
  'deleted',
  'not connected',
]);
const BUSY = new Set([
  'Pending',
  'Programmed',
  'Accepted',
  'Shadowed',
  'warming',
  'degraded',
  'waiting',
  'INIT',
  'DISCONNECTED',
  'syncing',
  'progressing',
  'paused',
  'updated',
]);

function toneOf(word: string): string {
  if (GOOD.has(word)) return 'good';
  if (BAD.has(word)) return 'bad';
  return BUSY.has(word) ? 'busy' : 'plain';
}
