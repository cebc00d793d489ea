/** Finds rule lists that apply each other in a circle: a session would never leave it. */
import type { ConfigObjects } from './snapshot.ts';
import type { Decoder } from './decoder.ts';
import { isPlain } from './scalars.ts';

/** A rule list on the way down, and which of its rules is next. */
interface Step {
  readonly list: string;
  readonly rules: readonly string[];
  next: number;
}

/**
 * A circle that is new goes through something that was decoded: the search begins there, and takes each list once.
 * `existing` objects are those beside what was decoded.
 */
export function checkCircles(decoder: Decoder, existing?: ConfigObjects): void {
  const { RuleList: lists, Rule: rules } = decoder.objects;
  const rulesOf = (list: string): readonly string[] => {
    const found: unknown = lists.get(list)?.value['rules'] ?? existing?.rulelists.get(list)?.value.rules ?? [];
    return Array.isArray(found) ? found.filter((rule) => typeof rule === 'string') : [];
  };
  const appliedBy = (rule: string): string | undefined => {
    const action: unknown = rules.get(rule)?.value['action'] ?? existing?.rules.get(rule)?.value.action;
    const apply = isPlain(action) ? action['apply'] : undefined;
    return typeof apply === 'string' ? apply : undefined;
  };
  const done = new Set<string>();
  const searchFrom = (start: string): void => {
    const way: Step[] = [];
    const onWay = new Set<string>();
    const enter = (list: string): void => {
      if (done.has(list)) return;
      if (onWay.has(list)) {
        const names = way.map((step) => step.list);
        tellCircle(decoder, [...names.slice(names.indexOf(list)), list]);
        return;
      }
      onWay.add(list);
      way.push({ list, rules: rulesOf(list), next: 0 });
    };
    enter(start);
    for (let step = way.at(-1); step; step = way.at(-1)) {
      const rule = step.rules[step.next++];
      const apply = rule === undefined ? undefined : appliedBy(rule);
      if (apply !== undefined) enter(apply);
      else if (rule === undefined) {
        way.pop();
        onWay.delete(step.list);
        done.add(step.list);
      }
    }
  };
  for (const list of lists.keys()) searchFrom(list);
  for (const rule of rules.keys()) {
    const list = appliedBy(rule);
    if (list !== undefined) searchFrom(list);
  }
}

function tellCircle(decoder: Decoder, circle: readonly string[]): void {
  const { RuleList: lists } = decoder.objects;
  const place = circle.find((list) => lists.has(list)) ?? circle[0] ?? '';
  const shown = circle.length > 10 ? [...circle.slice(0, 9), '…', circle[0]] : circle;
  decoder.tell(
    lists.get(place)?.path ?? `rulelists.${place}`,
    'rule lists that do not apply each other in a circle',
    shown.join(' -> '),
  );
}
