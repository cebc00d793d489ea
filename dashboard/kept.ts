/** What the browser keeps for the page; where it is told to keep nothing, for as long as the page is open. */

export interface Kept {
  readonly get: () => string | undefined;
  readonly set: (value: string) => void;
}

/** `area`: a call, since with storage that is blocked the name alone throws (WHATWG HTML, 12.2.2). */
export function keptIn(area: () => Storage, key: string): Kept {
  let own: string | undefined;
  return {
    get: () => {
      try {
        return area().getItem(key) ?? own;
      } catch {
        return own;
      }
    },
    set: (value) => {
      own = value;
      try {
        area().setItem(key, value);
      } catch {
        // Blocked, or full: it is kept here.
      }
    },
  };
}
