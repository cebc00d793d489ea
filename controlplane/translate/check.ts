/** Looks at a change before it is made: what would be wrong with it, nothing changed. */
import { Slices } from '../../common/slices.ts';
import type { Fault } from '../../gen/messages.ts';
import type { Rule, RuleList } from '../../gen/l7mp/config/v1/types.ts';
import type { Owned } from '../../config/snapshot.ts';
import { checkEnvelope, decodeContent } from '../model/decode-content.ts';
import type { ConfigObject } from '../model/object.ts';
import { resourceId } from '../model/resource-id.ts';
import { takeRules } from './claims.ts';
import { clash } from './clash.ts';
import { encodeParts } from './encode.ts';
import type { Translator } from './translator.ts';

/**
 * The faults of objects that are to be made or replaced, by their ids; those without are not in it. `gone` are the ids of
 * objects that the change takes out. What was encoded for that is kept for the change itself. Names are taken by the API's objects only: files stand back.
 */
export async function checkChange(
  translator: Translator,
  upsert: readonly ConfigObject[],
  gone: ReadonlySet<string>,
): Promise<Map<string, readonly Fault[]>> {
  const { claims } = translator;
  const faults = new Map<string, readonly Fault[]>();
  translator.forgetPrepared();
  const replaced = new Set([...gone, ...upsert.map(({ id }) => id)]);
  const taken = new Map<string, ConfigObject>();
  const rulelists = new Map<string, Owned<RuleList>>();
  const rules = new Map<string, Owned<Rule>>();
  const slices = new Slices();
  for (const object of upsert) {
    if (slices.isOver) await slices.next();
    const found = check(object);
    if (found.length > 0) faults.set(object.id, found);
  }
  return faults;

  function check(object: ConfigObject): readonly Fault[] {
    const envelope = checkEnvelope(object);
    if (envelope.length > 0) return envelope;
    const contents = decodeContent(object, claims.others({ rulelists, rules }));
    if (contents.parts === undefined) return contents.faults;
    takeRules({ rulelists, rules }, contents.parts);
    try {
      const resources = encodeParts(object, contents.parts);
      translator.prepare(object, { parts: contents.parts, resources });
      return resources.flatMap((resource) => {
        const id = resourceId(resource);
        const holder = taken.get(id) ?? holderOf(id);
        taken.set(id, holder ?? object);
        return holder === undefined || holder.id === object.id ? [] : [clash(object, resource, holder)];
      });
    } catch (error) {
      const found = error instanceof Error ? error.message : String(error);
      return [{ path: '', expected: 'what can be encoded', found }];
    }
  }

  function holderOf(id: string): ConfigObject | undefined {
    for (const { object } of claims.of(id)) {
      if (object.source === 'api' && !replaced.has(object.id)) return object;
    }
    return undefined;
  }
}
