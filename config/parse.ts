/** Text to plain JSON: JSON where it is JSON, else YAML, whose parser is loaded then. Finds where things stood. */
import type { Places } from './places.ts';
import type { YamlText } from './yaml-text.ts';
import { type Fault, FaultsError } from '../common/errors.ts';

export interface Parsed {
  readonly raw: unknown;
  /** The faults with the lines where they stand, in the order of the text. `places`: of objects that are told by name. */
  locate(faults: readonly Fault[], places?: Places): Promise<readonly Fault[]>;
}

/** @throws FaultsError where the text is neither JSON nor YAML, with every place. */
export async function parseText(text: string): Promise<Parsed> {
  if (/^\uFEFF?\s*[{[]/u.test(text)) {
    try {
      const raw = JSON.parse(text.replace(/^\uFEFF/u, '')) as unknown;
      // JSON is YAML, too, whose parser knows lines; it takes long, so only where there is something to say.
      return { raw, locate: async (faults, places) => (await readYaml(text)).locate(faults, places) };
    } catch {
      // Flow style YAML begins like JSON; its parser also says where the fault is.
    }
  }
  const yaml = await readYaml(text);
  const faults = yaml.faults();
  if (faults.length > 0) throw new FaultsError(faults);
  return { raw: yaml.toPlain(), locate: (found, places) => Promise.resolve(yaml.locate(found, places)) };
}

async function readYaml(text: string): Promise<YamlText> {
  const { YamlText: Reader } = await import('./yaml-text.ts');
  try {
    return new Reader(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // the parser calls itself for each level
    throw new FaultsError([{ path: '', expected: 'YAML or JSON of few levels', found: 'too many to read' }]);
  }
}
