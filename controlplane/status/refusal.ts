/** What a proxy says when it refuses a response: which of its resources, and why. */

/** Of what a proxy says that much is read, in characters. The proxies' own cut theirs to as much. */
const MAX_TEXT = 64 * 1024;
/** Of what it says of one resource, in characters. */
export const MAX_MESSAGE = 500;

export interface Refusal {
  /** What is wrong with the resources that lines name, at most 500 characters of each. */
  readonly named: ReadonlyMap<string, string>;
  /** There is no more than was read: what no line names was taken. */
  readonly whole: boolean;
}

/**
 * Reads lines `NAME: fault`, where a name may have colons; of several that fit, the shortest counts. The time it takes is
 * in proportion to the text and the names, whatever a proxy says.
 *
 * @param names Those of the response.
 */
export function readRefusal(text: string, names: Iterable<string>): Refusal {
  /** Names by what is before their first `: `, shorter ones first. */
  const byHead = new Map<string, string[]>();
  for (const name of names) {
    const head = headOf(name) ?? name;
    const alike = byHead.get(head);
    if (alike === undefined) byHead.set(head, [name]);
    else alike.push(name);
  }
  for (const alike of byHead.values()) if (alike.length > 1) alike.sort((a, b) => a.length - b.length);
  const named = new Map<string, string>();
  for (const line of text.slice(0, MAX_TEXT).split('\n')) {
    const head = headOf(line);
    const name = head === undefined ? undefined : byHead.get(head)?.find((each) => line.startsWith(`${each}: `));
    if (name === undefined) continue;
    const before = named.get(name);
    if (before !== undefined && before.length >= MAX_MESSAGE) continue;
    const fault = line.slice(name.length + 2);
    named.set(name, (before === undefined ? fault : `${before}\n${fault}`).slice(0, MAX_MESSAGE));
  }
  return { named, whole: text.length <= MAX_TEXT };
}

function headOf(line: string): string | undefined {
  const at = line.indexOf(': ');
  return at > 0 ? line.slice(0, at) : undefined;
}
