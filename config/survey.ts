/** A first look at what is to be decoded: whether it is plain JSON that is safe to walk, and which names it has. */
import type { Fault } from '../common/errors.ts';
import { join } from './paths.ts';
import { describe } from './scalars.ts';
import { MAX_FAULTS } from './too-many-faults.ts';

export interface Survey {
  /** Nothing of what has such faults is decoded. */
  readonly faults: readonly Fault[];
  /** Every `name` that stands anywhere: names that are made up keep clear of them. */
  readonly names: ReadonlySet<string>;
}

/** Deeper than any configuration is. What decodes, compares or prints a value may call itself for each level. */
export const MAX_LEVELS = 100;

/** A list or object on the way down. */
interface Place {
  readonly value: object;
  readonly key: string | number;
  readonly above: Place | undefined;
  readonly level: number;
}

export function survey(raw: unknown): Survey {
  const faults: Fault[] = [];
  const names = new Set<string>();
  const places: Place[] = [];
  visit(raw, '', undefined);
  for (let place = places.pop(); place && faults.length < MAX_FAULTS; place = places.pop()) {
    const { value } = place;
    if (place.level > MAX_LEVELS) {
      // What goes in a circle has no end: one such fault is enough.
      faults.push({ path: pathOf(place), expected: `at most ${MAX_LEVELS} levels`, found: 'more' });
      break;
    }
    if (Array.isArray(value)) {
      for (let index = value.length - 1; index >= 0; index--) visit(value[index], index, place);
      continue;
    }
    for (const [key, item] of Object.entries(value)) {
      if (key === '__proto__') {
        faults.push({ path: pathOf(place), expected: 'fields of a configuration', found: '"__proto__"' });
      } else {
        if (key === 'name' && typeof item === 'string') names.add(item);
        visit(item, key, place);
      }
    }
  }
  return { faults, names };

  function visit(value: unknown, key: string | number, above: Place | undefined): void {
    if (faults.length >= MAX_FAULTS) return;
    if (typeof value === 'object' && value !== null) {
      const place = { value, key, above, level: (above?.level ?? 0) + 1 };
      if (Array.isArray(value) || isRecord(value)) places.push(place);
      else faults.push({ path: pathOf(place), expected: 'plain JSON', found: `a ${value.constructor.name}` });
    } else if (typeof value === 'number' ? !Number.isFinite(value) : FOREIGN.has(typeof value)) {
      const path = pathOf({ value: {}, key, above, level: 0 });
      faults.push({ path, expected: 'plain JSON', found: typeof value === 'number' ? String(value) : describe(value) });
    }
  }
}

const FOREIGN: ReadonlySet<string> = new Set(['bigint', 'symbol', 'function']);

/** An object of no class of its own. */
function isRecord(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function pathOf(place: Place): string {
  const steps: (string | number)[] = [];
  for (let at = place; at.above; at = at.above) steps.push(at.key);
  return steps.reduceRight<string>(
    (path, step) => (typeof step === 'number' ? `${path}[${step}]` : join(path, step)),
    '',
  );
}
