/** A table of which only the rows in sight are in the page: thousands cost what twenty do. Sorted by columns, used by keys. */
import { badge, fill, h, setText } from './dom.ts';

export interface Column<R> {
  readonly title: string;
  /** What is shown; of `badge` columns a word. */
  readonly text: (row: R) => string;
  /** What it is sorted by. Default: the text. */
  readonly value?: (row: R) => string | number;
  /** `number`: to the right. `badge`: with a colour. */
  readonly look?: 'number' | 'badge';
  /** Not shown where there is little room. */
  readonly wide?: boolean;
}

export interface TableOptions<R> {
  /** What the table is of, for those who hear it. */
  readonly label: string;
  readonly columns: readonly Column<R>[];
  /** A row is chosen: by a click on its first cell, or by Enter. */
  readonly onOpen?: (key: string, row: R) => void;
  /** The column that it is sorted by at first, and whether from the highest down. */
  readonly sort?: { readonly title: string; readonly down: boolean };
  /** What is said where there are no rows. */
  readonly empty: string;
}

/** As in the style sheet, in px. */
const ROW = 36;
/** Beyond what is in sight, above and below. */
const MARGIN = 6;

export class Table<R> {
  readonly element: HTMLElement;
  private readonly options: TableOptions<R>;
  private readonly scroller: HTMLElement;
  private readonly table = h('table', {});
  private readonly body = h('tbody', {});
  private readonly heads: HTMLButtonElement[] = [];
  private readonly above = h('tr', { class: 'space', 'aria-hidden': 'true' });
  private readonly below = h('tr', { class: 'space', 'aria-hidden': 'true' });
  private readonly note = h('p', { class: 'empty' });
  /** Rows that are in the page, by key. */
  private shown = new Map<string, HTMLTableRowElement>();
  private rows: (readonly [key: string, row: R])[] = [];
  private order: { column: Column<R>; down: boolean };
  /** The row that the keyboard is at. */
  private active = 0;

  constructor(options: TableOptions<R>) {
    const { label, columns, sort } = options;
    this.options = options;
    const [first] = columns;
    if (first === undefined) throw new Error('expected columns');
    const column = columns.find(({ title }) => title === sort?.title) ?? first;
    this.order = { column, down: sort?.down ?? false };
    const head = h('tr', { 'aria-rowindex': 1 }, ...columns.map((each) => this.head(each)));
    this.table.append(h('thead', {}, head), this.body);
    this.table.setAttribute('aria-label', label);
    this.scroller = h('div', { class: 'scroll', role: 'region', 'aria-label': label, tabindex: 0 }, this.table);
    this.element = h('div', { class: 'table' }, this.scroller, this.note);
    this.scroller.addEventListener('scroll', () => this.draw(), { passive: true });
    this.scroller.addEventListener('keydown', (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.scroller);
  }

  /** Shows these rows, in the order of the column that is chosen. */
  show(rows: Iterable<readonly [key: string, row: R]>): void {
    const { column, down } = this.order;
    const value = column.value ?? column.text;
    this.rows = [...rows].sort(([oneKey, one], [otherKey, other]) => {
      const [a, b] = [value(one), value(other)];
      const compared = typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
      return (down ? -compared : compared) || (oneKey < otherKey ? -1 : 1);
    });
    this.table.setAttribute('aria-rowcount', String(this.rows.length + 1));
    setText(this.note, this.rows.length === 0 ? this.options.empty : '');
    this.note.hidden = this.rows.length > 0;
    this.draw();
  }

  private head(column: Column<R>): HTMLElement {
    const control = h('button', { type: 'button', onclick: () => this.sortBy(column) }, column.title);
    this.heads.push(control);
    const cell = h('th', { scope: 'col', class: classOf(column) }, control);
    this.mark(cell, column);
    return cell;
  }

  private sortBy(column: Column<R>): void {
    const down = this.order.column === column ? !this.order.down : column.look === 'number';
    this.order = { column, down };
    this.options.columns.forEach((each, index) => {
      const cell = this.heads[index]?.parentElement;
      if (cell) this.mark(cell, each);
    });
    this.show(this.rows);
  }

  private mark(cell: HTMLElement, column: Column<R>): void {
    const isSorted = this.order.column === column;
    if (isSorted) cell.setAttribute('aria-sort', this.order.down ? 'descending' : 'ascending');
    else cell.removeAttribute('aria-sort');
  }

  private draw(): void {
    const { clientHeight } = this.scroller;
    // What is scrolled past is taken back by the browser after a table has become shorter: later than this.
    const scrollTop = Math.min(this.scroller.scrollTop, Math.max(0, (this.rows.length + 1) * ROW - clientHeight));
    const from = Math.max(0, Math.floor(scrollTop / ROW) - MARGIN);
    const to = Math.min(this.rows.length, Math.ceil((scrollTop + clientHeight) / ROW) + MARGIN);
    const shown = new Map<string, HTMLTableRowElement>();
    for (let index = from; index < to; index++) {
      const [key, row] = this.rows[index] ?? [];
      if (key === undefined || row === undefined) continue;
      const element = this.shown.get(key) ?? this.make(key);
      this.update(element, row, index);
      shown.set(key, element);
    }
    for (const [key, element] of this.shown) if (!shown.has(key)) element.remove();
    this.shown = shown;
    this.above.style.height = `${from * ROW}px`;
    this.below.style.height = `${Math.max(0, this.rows.length - to) * ROW}px`;
    // Only what is out of its place is moved: what has the focus keeps it.
    let place: Element = this.above;
    if (this.body.firstElementChild !== this.above) this.body.prepend(this.above);
    for (const element of [...shown.values(), this.below]) {
      if (place.nextElementSibling !== element) place.after(element);
      place = element;
    }
  }

  private make(key: string): HTMLTableRowElement {
    const { columns, onOpen } = this.options;
    const open = (): void => {
      const index = this.rows.findIndex(([each]) => each === key);
      const row = this.rows[index]?.[1];
      this.active = Math.max(0, index);
      if (row !== undefined) onOpen?.(key, row);
    };
    return h(
      'tr',
      {},
      ...columns.map((column, index) =>
        h(
          index === 0 ? 'th' : 'td',
          { class: classOf(column), ...(index === 0 && { scope: 'row' }) },
          index === 0 && onOpen && h('button', { type: 'button', class: 'open', onclick: open }),
        ),
      ),
    );
  }

  private update(element: HTMLTableRowElement, row: R, index: number): void {
    element.setAttribute('aria-rowindex', String(index + 2));
    this.options.columns.forEach((column, position) => {
      const cell = element.cells[position];
      if (cell === undefined) return;
      const text = column.text(row);
      if (cell.title !== text) cell.title = text;
      const control = cell.querySelector('button');
      if (control) {
        setText(control, text);
        control.tabIndex = index === this.active ? 0 : -1;
      } else if (column.look !== 'badge') setText(cell, text);
      else if (cell.textContent !== text) fill(cell, text !== '' && badge(text));
    });
  }

  /** Arrows, Page Up and Down, Home and End go from row to row; Enter is the button's own. */
  private key(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / ROW) - 1);
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -Infinity,
      End: Infinity,
    };
    const step = steps[event.key];
    if (step === undefined || this.options.onOpen === undefined || this.rows.length === 0) return;
    event.preventDefault();
    const isInside = this.body.contains(document.activeElement);
    const next = isInside || !Number.isFinite(step) ? this.active + step : this.active;
    this.active = Math.min(this.rows.length - 1, Math.max(0, next));
    const top = this.active * ROW;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + 2 * ROW > scrollTop + clientHeight) this.scroller.scrollTop = top + 2 * ROW - clientHeight;
    this.draw();
    const [key] = this.rows[this.active] ?? [];
    if (key !== undefined) this.shown.get(key)?.querySelector('button')?.focus({ preventScroll: true });
  }
}

function classOf<R>({ look, wide }: Column<R>): string | undefined {
  return (
    [look === 'number' && 'number', wide && 'wide'].filter((each) => typeof each === 'string').join(' ') || undefined
  );
}
