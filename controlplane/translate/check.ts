/** Looks at a change before it is made: what would be wrong with it, and whom it would leave without what they name. */
import { Slices } from '../../common/slices.ts';
import type { Fault } from '../../gen/messages.ts';
import type { Rule, RuleList } from '../../gen/l7mp/config/v1/types.ts';
import type { Owned } from '../../config/snapshot.ts';
import { checkEnvelope, decodeContent } from '../model/decode-content.ts';
import { type ConfigObject, idOf } from '../model/object.ts';
import { resourceId } from '../model/resource-id.ts';
import type { Dangling, Findings, Proposal } from '../model/translated.ts';
import { takeRules } from './claims.ts';
import { clash } from './clash.ts';
import { encode, type Encoded } from './encode.ts';
import { danglingOf } from './references.ts';
import type { Translator } from './translator.ts';

/** More are not told. */
const MAX_ELSEWHERE = 100;

/**
 * What was encoded for it is kept for the change itself. Names are taken by the API's objects only: files stand back. `hasFallback`:
 * whether another object of an id counts when that of the API goes.
 */
export async function checkChange(
  translator: Translator,
  { upsert, unchanged, gone }: Proposal,
  hasFallback: (id: string) => boolean = () => false,
): Promise<Findings> {
  const { claims } = translator;
  const faults = new Map<string, readonly Fault[]>();
  translator.forgetPrepared();
  const replaced = new Set([...gone, ...upsert.map(({ id }) => id)]);
  const taken = new Map<string, ConfigObject>();
  const made: { readonly object: ConfigObject; readonly encoded: Encoded }[] = [];
  const rulelists = new Map<string, Owned<RuleList>>();
  const rules = new Map<string, Owned<Rule>>();
  const slices = new Slices();
  for (const object of upsert) {
    if (slices.isOver) await slices.next();
    const found = check(object);
    if (found.length > 0) faults.set(object.id, found);
  }
  if (faults.size > 0) return { faults, dangling: new Map(), danglingElsewhere: [] };
  return { faults, dangling: await findInProposal(), danglingElsewhere: await findElsewhere() };

  function check(object: ConfigObject): readonly Fault[] {
    const envelope = checkEnvelope(object);
    if (envelope.length > 0) return envelope;
    const contents = decodeContent(object, claims.others({ rulelists, rules }));
    if (contents.parts === undefined) return contents.faults;
    takeRules({ rulelists, rules }, contents.parts);
    try {
      const encoded = encode(object, contents.parts);
      translator.prepare(object, encoded);
      made.push({ object, encoded });
      return encoded.resources.flatMap((resource) => {
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

  /** Whether something would have a name. */
  function exists(id: string): boolean {
    if (taken.has(id)) return true;
    for (const { object } of claims.of(id)) {
      if (!replaced.has(object.id) || (gone.has(object.id) && hasFallback(object.id))) return true;
    }
    return false;
  }

  async function findInProposal(): Promise<Map<string, Dangling>> {
    const found = new Map<string, Dangling>();
    const kept = unchanged.flatMap((object) => {
      const encoded = translator.good(object.id);
      return encoded ? [{ object, encoded }] : [];
    });
    for (const { object, encoded } of [...made, ...kept]) {
      if (slices.isOver) await slices.next();
      const warnings = danglingOf(encoded.references, exists);
      if (warnings.length > 0) found.set(object.id, { key: object.key, warnings });
    }
    return found;
  }

  async function findElsewhere(): Promise<readonly Dangling[]> {
    const lost = new Set<string>();
    for (const each of replaced) {
      for (const resource of translator.good(each)?.resources ?? []) {
        const id = resourceId(resource);
        if (!exists(id)) lost.add(id);
      }
    }
    if (lost.size === 0) return [];
    const named = new Set([...replaced, ...unchanged.map(({ id }) => id)]);
    const found = new Map<string, Dangling>();
    for (const { object, references } of translator.allGood()) {
      if (slices.isOver) await slices.next();
      if (found.size >= MAX_ELSEWHERE) break;
      const id = idOf(object.key);
      const warnings = named.has(id) ? [] : danglingOf(references, (name) => !lost.has(name));
      if (warnings.length > 0) found.set(id, { key: object.key, warnings });
    }
    return [...found.values()];
  }
}
