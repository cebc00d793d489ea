/** Text to plain JSON: JSON where it is JSON, else YAML, whose parser is loaded then. Keeps where things stood. */
import { type Fault, FaultsError } from '../core/errors.ts';

export interface Parsed {
  readonly raw: unknown;
  /** The line of a field, from 1, by its path as in `listeners[0].spec.port`; of what holds it where it is absent. */
  readonly lineOf: (path: string) => number | undefined;
}

/** Aliases that a YAML document may expand to: more is an attack. */
const MAX_ALIASES = 1000;

/** @throws FaultsError where the text is neither JSON nor YAML, with every place. */
export async function parseText(text: string): Promise<Parsed> {
  if (/^\s*[{[]/u.test(text)) {
    try {
      return { raw: JSON.parse(text) as unknown, lineOf: () => undefined };
    } catch {
      // Flow style YAML begins like JSON; its parser also says where the fault is.
    }
  }
  const { LineCounter, parseDocument, isCollection } = await import('yaml');
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const faults = document.errors.map(({ message, pos }): Fault => {
    const line = lines.linePos(pos[0]).line;
    return { path: '', expected: 'YAML or JSON', found: message, line };
  });
  if (faults.length > 0) throw new FaultsError(faults);
  try {
    const raw: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return {
      raw,
      lineOf: (path) => {
        const steps = path.match(/[^.[\]]+/gu)?.map((step) => (/^\d+$/u.test(step) ? Number(step) : step)) ?? [];
        for (let length = steps.length; length >= 0; length--) {
          const node = length === 0 ? document.contents : document.getIn(steps.slice(0, length), true);
          const range = isCollection(node) || (typeof node === 'object' && node !== null) ? rangeOf(node) : undefined;
          if (range !== undefined) return lines.linePos(range).line;
        }
        return undefined;
      },
    };
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    throw new FaultsError([{ path: '', expected: 'YAML without excessive aliases', found }]);
  }
}

function rangeOf(node: object): number | undefined {
  const { range } = node as { range?: readonly number[] | null };
  return range?.[0];
}

/** The faults with the lines where they stand. */
export function locate(faults: readonly Fault[], { lineOf }: Parsed): Fault[] {
  return faults.map((fault) => {
    const line = fault.line ?? lineOf(fault.path);
    return line === undefined ? fault : { ...fault, line };
  });
}
