/** Dialogs: the browser's own, which keep the focus, and end by Escape. */
import { button, h, setText } from './dom.ts';

export interface Panel {
  /** Where its content goes. */
  readonly body: HTMLElement;
  /** Says what it is of. */
  readonly entitle: (title: string) => void;
  /** Asks nothing. */
  readonly close: () => void;
  /** Calls once it is closed. */
  readonly onClose: (listener: () => void) => void;
  /** From now on its user is asked before it closes, where something in it would be lost. */
  readonly guard: (isUnsaved: () => boolean) => void;
  readonly isUnsaved: () => boolean;
  /** Does something by which it closes: at once, or when its user has said that what is written may be lost. */
  readonly leave: (act: () => void) => void;
}

/** A panel at the side with a title. */
export function openPanel(title: string): Panel {
  const body = h('div', { class: 'panel-body' });
  const dialog = h('dialog', { class: 'panel' });
  const heading = h('h2');
  let isUnsaved = (): boolean => false;
  let isAsking = false;
  const entitle = (text: string): void => {
    dialog.setAttribute('aria-label', text);
    setText(heading, text);
  };
  const close = (): void => dialog.close();
  const leave = (act: () => void): void => {
    if (!isUnsaved()) act();
    else if (!isAsking) {
      isAsking = true;
      const discard = (): Promise<void> => {
        isUnsaved = () => false;
        act();
        return Promise.resolve();
      };
      confirm('Discard what is not applied?', [], 'Discard', discard, () => (isAsking = false));
    }
  };
  // Before the browser sees it: a second Escape would close the dialog whatever is said of `cancel`.
  dialog.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    leave(close);
  });
  dialog.addEventListener('cancel', (event) => {
    event.preventDefault();
    leave(close);
  });
  dialog.append(
    h(
      'div',
      { class: 'panel-head' },
      heading,
      button('Close', () => leave(close)),
    ),
    body,
  );
  entitle(title);
  show(dialog);
  return {
    body,
    entitle,
    close,
    onClose: (listener) => dialog.addEventListener('close', listener, { once: true }),
    guard: (asked) => (isUnsaved = asked),
    isUnsaved: () => isUnsaved(),
    leave,
  };
}

/** Asks before something is done. What is done may fail: then the dialog says so, and stays. `onEnd`: it was done, or not. */
export function confirm(
  title: string,
  content: readonly (Node | string)[],
  action: string,
  run: () => Promise<void>,
  onEnd?: () => void,
): void {
  const problem = h('p', { class: 'problem', role: 'alert' });
  const dialog = h('dialog', { class: 'ask', 'aria-label': title });
  const go = button(
    action,
    () => {
      go.disabled = true;
      run().then(
        () => dialog.close(),
        (error: unknown) => {
          problem.textContent = error instanceof Error ? error.message : String(error);
          go.disabled = false;
        },
      );
    },
    { class: 'primary' },
  );
  dialog.append(
    h('h2', {}, title),
    ...content,
    problem,
    h(
      'div',
      { class: 'actions' },
      button('Cancel', () => dialog.close()),
      go,
    ),
  );
  show(dialog, onEnd);
}

/** Asks for a token. Undefined: it was not given. `problem`: what is wrong with the last one. */
export function askToken(reason: string, problem: string, onEnd: (token: string | undefined) => void): void {
  const input = h('input', { type: 'password', id: 'token', autocomplete: 'off', required: true });
  const dialog = h('dialog', { class: 'ask sign-in', 'aria-label': 'Sign in' });
  let given: string | undefined;
  const form = h(
    'form',
    {
      method: 'dialog',
      onsubmit: (event) => {
        event.preventDefault();
        given = input.value.trim();
        dialog.close();
      },
    },
    h('h2', {}, 'Sign in'),
    h('p', {}, reason),
    h('p', { class: 'problem', role: 'alert' }, problem),
    h('label', { for: 'token' }, 'Bearer token'),
    input,
    h('div', { class: 'actions' }, h('button', { type: 'submit', class: 'primary' }, 'Sign in')),
  );
  dialog.append(form);
  show(dialog, () => onEnd(given));
}

function show(dialog: HTMLDialogElement, onClose: () => void = () => undefined): void {
  dialog.addEventListener('close', () => {
    dialog.remove();
    onClose();
  });
  document.body.append(dialog);
  dialog.showModal();
}
