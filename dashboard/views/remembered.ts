/** Faults that were seen while the page is open: since when they are there, and whether they still are. */

export interface Row {
  /** Since when it is known here; of sessions when they ended. */
  readonly time: string;
  /** It is not so any more. */
  gone: boolean;
  readonly of: string;
  readonly what: string;
  readonly where: string;
  readonly message: string;
  /** Where more of it is shown. */
  readonly at: { readonly view: string; readonly query: Readonly<Record<string, string>> };
}

/** What is found now. */
export type Found = Omit<Row, 'time' | 'gone'> & { readonly time?: string };

/** Beyond so many in all, those are forgotten that are healed, the oldest first. */
const MOST = 500;

/** Notes what is found now beside what was seen before. */
export function remember(seen: Map<string, Row>, now: ReadonlyMap<string, Found>): void {
  for (const [key, row] of seen) row.gone = !now.has(key);
  for (const [key, row] of now) {
    const time = row.time ?? seen.get(key)?.time ?? new Date().toISOString();
    seen.set(key, { ...row, time, gone: false });
  }
  for (const [key, { gone }] of seen) {
    if (seen.size <= MOST) break;
    if (gone) seen.delete(key);
  }
}
