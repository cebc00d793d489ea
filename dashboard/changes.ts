/** What a change does, object by object and line by line. */
import { badge, h } from './dom.ts';
import type { Changes, Fault } from './types.ts';

export function changesView({ changes, warnings }: Changes): HTMLElement {
  const different = changes.filter(({ action }) => action !== 'unchanged');
  const others = changes.length - different.length;
  return h(
    'div',
    {},
    ...different.map(({ key, action, diff, warnings: own }) =>
      h(
        'details',
        { open: different.length <= 5 },
        h('summary', {}, badge(action), ` ${key.kind}/${key.name}`),
        ...own.map(warning),
        diffView(diff),
      ),
    ),
    others > 0 && h('p', { class: 'empty' }, `${others} unchanged`),
    ...warnings.flatMap(({ key, warnings: own }) =>
      own.map((each) => h('div', {}, h('strong', {}, `${key.kind}/${key.name}`), warning(each))),
    ),
  );
}

function warning({ path, expected, found }: Fault): HTMLElement {
  return h('p', { class: 'warning' }, `warning: ${path}: expected ${expected}, found ${found}`);
}

function diffView(diff: string): HTMLElement {
  // The first lines name the files.
  const lines = diff.split('\n').filter((line) => line !== '' && !/^(?:---|\+\+\+|===)/u.test(line));
  return h(
    'pre',
    { class: 'diff', tabindex: 0, 'aria-label': 'Difference' },
    ...lines.map((line) =>
      h('span', { class: { '+': 'added', '-': 'removed', '@': 'place' }[line.charAt(0)] }, `${line}\n`),
    ),
  );
}
