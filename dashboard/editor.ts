/** An editor of configuration: a text with line numbers, checked by the server as one types, with marks where it is wrong. */
import { ApiError } from './api.ts';
import { button, fill, h } from './dom.ts';
import { count } from './format.ts';
import { changesView } from './changes.ts';
import type { Changes, Fault } from './types.ts';

export interface EditorOptions {
  readonly text: string;
  /** What the text would change. @throws ApiError with what is wrong with it */
  readonly check: (text: string) => Promise<Changes>;
  readonly apply: (text: string, message: string) => Promise<Changes>;
  /** Whether a change has a message for the history. */
  readonly hasMessage: boolean;
}

/** After the last key, in ms. */
const QUIET_MS = 350;

let serial = 0;

export interface Editor {
  readonly element: HTMLElement;
  /** Whether it has a text that was written and not applied. */
  readonly isUnsaved: () => boolean;
}

export function editor({ text, check, apply, hasMessage }: EditorOptions): Editor {
  const id = `editor-${++serial}`;
  const area = h('textarea', {
    id,
    spellcheck: 'false',
    autocomplete: 'off',
    autocapitalize: 'off',
    wrap: 'off',
    'aria-describedby': `${id}-state`,
  });
  area.value = text;
  const numbers = h('div', { class: 'numbers', 'aria-hidden': 'true' });
  const state = h('p', { id: `${id}-state`, class: 'state', role: 'status' });
  const faultList = h('ul', { class: 'fault-list' });
  const changes = h('div', { class: 'changes' });
  const message = h('input', { id: `${id}-message`, placeholder: 'Why (for the history)', maxlength: 10_000 });
  const go = button('Apply', () => void run(), { class: 'primary' });
  let saved = area.value;
  let checked: { readonly text: string; readonly good: boolean } | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let turn = 0;

  const showFaults = (faults: readonly Fault[], more: string): void => {
    const lines = new Set(faults.map(({ line }) => line));
    drawNumbers(numbers, area, lines);
    fill(
      faultList,
      ...faults.map((fault) => h('li', {}, faultButton(fault, area))),
      faults.length === 0 && more !== '' && h('li', {}, more),
    );
    area.setAttribute('aria-invalid', String(faults.length > 0 || more !== ''));
  };

  /** Only what the last text is answered with counts. */
  const look = async (): Promise<void> => {
    const own = ++turn;
    const { value } = area;
    checked = undefined;
    go.disabled = true;
    state.textContent = 'Checking …';
    try {
      const answer = await check(value);
      if (own !== turn) return;
      const different = answer.changes.filter(({ action }) => action !== 'unchanged');
      checked = { text: value, good: different.length > 0 };
      state.textContent =
        different.length === 0
          ? 'Valid. It changes nothing.'
          : `Valid. It changes ${count(different.length, 'object')}.`;
      showFaults([], '');
      fill(changes, changesView(answer));
    } catch (error) {
      if (own !== turn) return;
      const faults = error instanceof ApiError ? error.faults : [];
      state.textContent = faults.length === 0 ? 'It can not be taken.' : count(faults.length, 'fault');
      showFaults(faults, error instanceof Error ? error.message : String(error));
      fill(changes);
    }
    go.disabled = checked?.good !== true;
  };

  const run = async (): Promise<void> => {
    const { value } = area;
    if (checked?.text !== value) return;
    go.disabled = true;
    turn++;
    state.textContent = 'Applying …';
    try {
      const { version } = await apply(value, message.value);
      message.value = '';
      saved = value;
      state.textContent = version === undefined || version === 0 ? 'Applied.' : `Applied as version ${version}.`;
      fill(changes);
    } catch (error) {
      state.textContent = 'It was not applied.';
      showFaults(error instanceof ApiError ? error.faults : [], error instanceof Error ? error.message : String(error));
    }
  };

  area.addEventListener('input', () => {
    drawNumbers(numbers, area, new Set());
    go.disabled = true;
    turn++;
    clearTimeout(timer);
    timer = setTimeout(() => void look(), QUIET_MS);
  });
  area.addEventListener('scroll', () => (numbers.scrollTop = area.scrollTop), { passive: true });
  // Tab goes on to what is next, as everywhere; Ctrl and Enter apply.
  area.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !go.disabled) void run();
  });
  drawNumbers(numbers, area, new Set());
  void look();
  const element = h(
    'div',
    { class: 'editor' },
    h('label', { for: id }, 'Configuration (YAML or JSON)'),
    h('div', { class: 'text' }, numbers, area),
    state,
    faultList,
    h(
      'div',
      { class: 'actions' },
      hasMessage && h('label', { for: `${id}-message`, class: 'hidden' }, 'Message'),
      hasMessage && message,
      go,
    ),
    changes,
  );
  return { element, isUnsaved: () => area.value !== saved };
}

function drawNumbers(numbers: HTMLElement, area: HTMLTextAreaElement, marked: ReadonlySet<number | undefined>): void {
  const lines = area.value.split('\n').length;
  fill(
    numbers,
    ...Array.from({ length: lines }, (_, index) =>
      h('span', { ...(marked.has(index + 1) && { class: 'wrong' }) }, String(index + 1)),
    ),
  );
  numbers.scrollTop = area.scrollTop;
}

/** Goes to the line. */
function faultButton(fault: Fault, area: HTMLTextAreaElement): HTMLElement {
  const { path, expected, found, line } = fault;
  const text = `${line === undefined ? '' : `line ${line}: `}${path === '' ? '' : `${path}: `}expected ${expected}, found ${found}`;
  if (line === undefined) return h('span', {}, text);
  return button(
    text,
    () => {
      const lines = area.value.split('\n');
      const start = lines.slice(0, line - 1).join('\n').length + (line > 1 ? 1 : 0);
      area.focus();
      area.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
      area.scrollTop = (line - 4) * (area.scrollHeight / lines.length);
    },
    { class: 'open' },
  );
}
