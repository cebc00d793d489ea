/** Responses that are made for one stream: of the names that it subscribes to. */
import type { Resource } from '../core/resource.ts';
import type { Body } from './body.ts';
import { encodeResources, type Encoding } from './responses.ts';
import { CHUNK_BYTES, type Entry, type TypeLog } from './type-log.ts';

/** Of so few names a response is one that other streams are sent as well, when they change or after a reconnect. */
const MAX_SHARED = 16;

/**
 * Takes names out of a set into one response, as many as it may hold. State of the world can't tell what is gone: those names are
 * taken and passed over. Undefined: there is nothing to be sent of them.
 */
export function takeNames(
  log: TypeLog,
  names: Set<string>,
  wanted: (entry: Entry | undefined) => boolean,
  encoding: Encoding,
): Body | undefined {
  const encoded: Buffer[] = [];
  const resources: Resource[] = [];
  const removed: string[] = [];
  let room = CHUNK_BYTES;
  const fits = (bytes: number): boolean => {
    const first = resources.length + removed.length === 0;
    if (!first && bytes > room) return false;
    room -= bytes;
    return true;
  };
  for (const name of names) {
    const entry = log.entry(name);
    if (!wanted(entry)) continue;
    if (entry?.resource) {
      const bytes = log.encodedOf(entry, entry.resource, encoding);
      if (!fits(bytes.length)) break;
      encoded.push(bytes);
      resources.push(entry.resource);
    } else if (encoding.startsWith('delta')) {
      if (!fits(Buffer.byteLength(name))) break;
      removed.push(name);
    }
    names.delete(name);
  }
  const count = resources.length + removed.length;
  if (count === 0) return undefined;
  const make = (): Body => log.body(encoded.length > 1 ? [Buffer.concat(encoded)] : encoded, resources, removed);
  if (count > MAX_SHARED) return make();
  return log.shared(JSON.stringify([encoding, resources.map(({ name }) => name), removed]), make);
}

/** All of some names, and after them `retained`: what is gone, but not to be missed yet. */
export function wholeOf(
  log: TypeLog,
  names: Iterable<string>,
  encoding: Encoding,
  retained: readonly Resource[],
): Body {
  const encoded: Buffer[] = [];
  const resources: Resource[] = [];
  for (const name of names) {
    const entry = log.entry(name);
    if (entry?.resource === undefined) continue;
    encoded.push(log.encodedOf(entry, entry.resource, encoding));
    resources.push(entry.resource);
  }
  if (retained.length > 0) encoded.push(encodeResources(retained, encoding));
  return log.body(encoded, [...resources, ...retained], []);
}
