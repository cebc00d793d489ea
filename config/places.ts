/** Where the objects of a configuration were written: what is wrong with one later is told by its name. */
import { LIST_OF } from './kinds.ts';
import type { Kind } from './snapshot.ts';

export class Places {
  /** By list and name, as in `clusters.next`. */
  private readonly written = new Map<string, string>();

  constructor(objects: Readonly<Record<Kind, ReadonlyMap<string, { readonly path: string }>>>) {
    for (const [kind, list] of Object.entries(LIST_OF) as [Kind, string][]) {
      for (const [name, { path }] of objects[kind]) this.written.set(`${list}.${name}`, path);
    }
  }

  /** `clusters.next.spec` as `listeners[0].rules[0].action.route.destination.spec`; other paths as they are. */
  of(path: string): string {
    let longest = '';
    for (const object of this.written.keys()) {
      const isIts = path.startsWith(object) && /^(?:$|[.[])/u.test(path.slice(object.length));
      if (isIts && object.length > longest.length) longest = object; // a name may have dots
    }
    return (this.written.get(longest) ?? '') + path.slice(longest.length);
  }
}
