/** What the translation of one custom resource has at hand. Types only. */
import type { Policies } from '../api/policies.ts';
import type { Verdict } from '../api/verdict.ts';
import type { Making, Part } from './making.ts';
import type { Selecting } from './selectors.ts';

/** Something that several name: made once. */
export type Shared =
  { readonly part: Part; readonly fault?: undefined } | { readonly part?: undefined; readonly fault: Verdict };

export interface Context extends Selecting {
  readonly policies: Policies;
  /** By id; what was named so far. */
  readonly shared: Map<string, Shared>;
}

/** A part in the making. */
export interface Place {
  readonly context: Context;
  readonly making: Making;
  /** Ids of what it names: it is added to. */
  readonly uses: Set<string>;
}
