/** Goes where the address says, and has the address say what is open: links, reload, back and forward work for all of it. */
import { hashOf, type Place, placeOf } from './address.ts';
import type { Panel } from './dialog.ts';

/** Opens what has this key. */
export type Opener = (key: string) => Panel;

/** What the browser keeps with each entry of its history. */
interface Entry {
  /** Among the entries of the page, in their order. */
  readonly index: number;
  /** It is the entry before it, with something opened. */
  readonly opened?: true;
}

export class Navigation {
  private readonly show: (view: string, query: URLSearchParams) => void;
  private readonly onPlace: (place: Place) => void;
  private index = 0;
  /** The address of what is shown, without what is open. */
  private shown: string | undefined;
  private panel: Panel | undefined;
  private opener: Opener | undefined;
  /** It goes back from what was closed: until it is there, what comes next waits. */
  private closing = false;
  private next: (() => void) | undefined;

  /** `show`: shows a view. `onPlace`: called with each place when it is shown. */
  constructor(show: (view: string, query: URLSearchParams) => void, onPlace: (place: Place) => void) {
    this.show = show;
    this.onPlace = onPlace;
  }

  /** Shows what the address has, and follows it. */
  start(): void {
    window.addEventListener('hashchange', () => this.moved());
    window.addEventListener('beforeunload', (event) => {
      if (this.panel?.isUnsaved()) event.preventDefault();
    });
    const entry = history.state as Entry | null;
    if (entry === null) history.replaceState({ index: 0 } satisfies Entry, '');
    this.index = entry?.index ?? 0;
    this.arrive();
  }

  go(view: string, query: Readonly<Record<string, string>>): void {
    this.then(() => (location.hash = hashOf({ view, query: new URLSearchParams(query), open: undefined })));
  }

  /** The view that is shown opens this way what the address names. */
  opens(opener: Opener): void {
    this.opener = opener;
  }

  open(key: string): void {
    this.then(() => {
      const entry: Entry = { index: ++this.index, opened: true };
      history.pushState(entry, '', hashOf({ ...placeOf(location.hash), open: key }));
      this.arrive();
    });
  }

  /** Has the address say how the view is shown, without showing it anew. What is empty is left out. */
  keep(name: string, value: string): void {
    this.then(() => {
      const place = placeOf(location.hash);
      if (value === '') place.query.delete(name);
      else place.query.set(name, value);
      this.shown = hashOf({ ...place, open: undefined });
      history.replaceState(history.state, '', hashOf(place));
    });
  }

  private then(act: () => void): void {
    if (this.closing) this.next = act;
    else act();
  }

  private moved(): void {
    // Links and what is typed have none yet, and come after where one is.
    const { index } = (history.state as Entry | null) ?? { index: this.index + 1 };
    history.replaceState({ ...(history.state as Entry | null), index } satisfies Entry, '');
    const steps = index - this.index;
    if (steps === 0) return; // it was gone back to, since something is not saved
    if (this.panel?.isUnsaved()) {
      history.go(-steps);
      this.panel.leave(() => history.go(steps));
      return;
    }
    this.index = index;
    this.closing = false;
    this.arrive();
    const { next } = this;
    this.next = undefined;
    next?.();
  }

  private arrive(): void {
    this.panel = undefined;
    for (const dialog of document.querySelectorAll<HTMLDialogElement>('dialog:not(.sign-in)')) dialog.close();
    const place = placeOf(location.hash);
    const shown = hashOf({ ...place, open: undefined });
    if (shown !== this.shown) {
      this.shown = shown;
      this.opener = undefined;
      this.show(place.view, place.query);
    }
    this.onPlace(place);
    if (place.open === undefined || this.opener === undefined) return;
    const panel = this.opener(place.open);
    this.panel = panel;
    panel.onClose(() => {
      if (this.panel === panel) this.closed();
    });
  }

  /** Its user has closed what was open. */
  private closed(): void {
    this.panel = undefined;
    if ((history.state as Entry | null)?.opened) {
      this.closing = true;
      history.back();
    } else history.replaceState(history.state, '', hashOf({ ...placeOf(location.hash), open: undefined }));
  }
}
