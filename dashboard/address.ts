/** What the address says: which view is shown, of what, and what is open in it, as in `#sessions?proxy=edge-1&open=NAME`. */

export interface Place {
  /** A view by its name. */
  readonly view: string;
  /** What the view is of, without what is open in it. */
  readonly query: URLSearchParams;
  /** The key of what is open; undefined where nothing is. */
  readonly open: string | undefined;
}

/** `hash`: as `location.hash` has it. */
export function placeOf(hash: string): Place {
  const [, view = '', text = ''] = /^#?([^?]*)\??(.*)$/su.exec(hash) ?? [];
  const query = new URLSearchParams(text);
  const open = query.get('open') ?? undefined;
  query.delete('open');
  return { view, query, open };
}

export function hashOf({ view, query, open }: Place): string {
  const all = new URLSearchParams(query);
  if (open !== undefined) all.set('open', open);
  const text = all.toString();
  return text === '' ? `#${view}` : `#${view}?${text}`;
}
