/** What requests ask for, as both servers read it. `refuse` makes the error of the server that reads. */

type Refuse = (message: string) => Error;

/** Undefined: it isn't there. @throws what `refuse` makes, where it is no such number. */
export function numberOf(
  query: URLSearchParams,
  name: string,
  least: number,
  most: number,
  refuse: Refuse,
): number | undefined {
  const found = query.get(name);
  if (found === null) return undefined;
  const value = /^\d{1,16}$/u.test(found) ? Number(found) : NaN;
  if (value >= least && value <= most) return value;
  throw refuse(`expected ${name} from ${least} to ${most}, found ${found}`);
}

/** Topics of a stream of events, where nobody says which. */
export const USUAL_TOPICS = 'status,traffic,faults';
/** Between two looks, in ms. */
export const INTERVALS = { least: 200, most: 60_000, usual: 1000 } as const;

export function topicNames(query: URLSearchParams): string[] {
  return (query.get('topics') ?? USUAL_TOPICS).split(',').filter((name) => name !== '');
}

/** @throws what `refuse` makes, for a topic that is none. */
export function knownTopic<Name extends string>(name: string, topics: readonly Name[], refuse: Refuse): Name {
  const known = topics.find((each) => each === name);
  if (known === undefined) throw refuse(`expected topics of ${topics.join(', ')}, found ${name}`);
  return known;
}

/** @throws what `refuse` makes. */
export function intervalOf(query: URLSearchParams, refuse: Refuse): number {
  const { least, most, usual } = INTERVALS;
  return numberOf(query, 'interval', least, most, refuse) ?? usual;
}

/** `contentType` without its parameters, and the language that it names, of those that are read. */
export function languageOf(contentType = ''): { readonly type: string; readonly language?: 'json' | 'yaml' } {
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  const [, language] = /^(?:application|text)\/(?:x-|vnd\.)?(json|yaml)$/u.exec(type) ?? [];
  return language === 'json' || language === 'yaml' ? { type, language } : { type };
}
