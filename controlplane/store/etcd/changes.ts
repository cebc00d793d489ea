/** etcd's watch as a sequence of whole revisions that goes on wherever a connection was lost. */
import type { Event, WatchResponse } from '../../../gen/etcd.ts';
import { backoff } from '../../../common/backoff.ts';
import type { Logger } from '../../../common/log.ts';
import { StoreError } from '../../core/store.ts';
import type { EtcdClient, EtcdStream } from './client.ts';
import { isOver, pause } from '../../../common/signal.ts';

export interface WatchedRange {
  readonly key: Buffer;
  /** Not part of it; absent: the one key. */
  readonly end?: Buffer;
}

/** All of one revision. */
export interface Revision {
  readonly revision: number;
  readonly events: Event[];
}

/** How long a stream may be silent before etcd is asked, and again before it is taken for lost. */
const SILENCE_MS = 5000;
/** Between tries in a row. */
const RETRY = { base: 50, cap: 3000 };

/**
 * Every change of a range after a revision, until `signal` aborts.
 *
 * @throws StoreError `COMPACTED`
 */
export async function* changes(
  client: EtcdClient,
  range: WatchedRange,
  after: number,
  signal: AbortSignal,
  log: Logger,
): AsyncGenerator<Revision> {
  const seen = { revision: after };
  let tries = 0;
  while (!signal.aborted) {
    try {
      for await (const revision of connection(client, range, seen, signal)) {
        if (tries > 0) log.info({ revision: seen.revision }, 'etcd is watched again');
        tries = 0;
        if (revision) yield revision;
        // Of what has come already, nothing more.
        if (isOver(signal)) return;
      }
    } catch (error) {
      if (error instanceof StoreError && error.code === 'COMPACTED') throw error;
      if (isOver(signal)) return;
      if (tries === 0) log.warn({ error: (error as Error).message }, 'the watch of etcd was lost: it is tried again');
      tries += 1;
      await pause(backoff(tries, RETRY, 0.5), signal);
    }
  }
}

/** One stream; `seen` goes along with it. Undefined: it goes on, without a change. */
async function* connection(
  client: EtcdClient,
  { key, end }: WatchedRange,
  seen: { revision: number },
  signal: AbortSignal,
): AsyncGenerator<Revision | undefined> {
  const stream = await client.stream('Watch/Watch', signal);
  try {
    const create = { key, start_revision: seen.revision + 1, fragment: true, ...(end && { range_end: end }) };
    stream.write({ create_request: create });
    const responses = stream[Symbol.asyncIterator]() as AsyncIterator<WatchResponse>;
    let pending: Revision | undefined;
    for (;;) {
      const next = await patiently(responses.next(), stream);
      if (next.done === true) throw new Error('the stream ended');
      const response = next.value;
      if (response.canceled) throw refused(client, response, seen.revision);
      for (const event of response.events) {
        const revision = event.kv?.mod_revision ?? 0;
        if (revision <= seen.revision) continue;
        if (pending && pending.revision !== revision) {
          seen.revision = pending.revision;
          yield pending;
          pending = undefined;
        }
        pending ??= { revision, events: [] };
        pending.events.push(event);
      }
      // Of a response in parts, the last revision may go on in the next.
      if (response.fragment) continue;
      if (pending) {
        seen.revision = pending.revision;
        yield pending;
        pending = undefined;
      } else if (!response.created && response.events.length === 0) {
        // Nothing was missed up to here: a watch of keys that rest doesn't fall behind what is kept.
        seen.revision = Math.max(seen.revision, response.header?.revision ?? 0);
        yield undefined;
      } else {
        yield undefined;
      }
    }
  } finally {
    stream.cancel();
  }
}

function refused(client: EtcdClient, response: WatchResponse, revision: number): Error {
  if (response.compact_revision > 0) {
    const kept = `they are kept from ${response.compact_revision} on`;
    return new StoreError('COMPACTED', `changes after revision ${revision} are not kept any more, ${kept}: list again`);
  }
  client.forgetToken();
  return new Error(response.cancel_reason || 'etcd ended the watch');
}

/** A stream that is silent is asked how far it is; one that doesn't answer is lost. */
async function patiently<T>(next: Promise<T>, stream: EtcdStream): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      stream.write({ progress_request: {} });
      timer = setTimeout(() => reject(new Error(`etcd was silent for ${2 * SILENCE_MS} ms`)), SILENCE_MS);
    }, SILENCE_MS);
  });
  // Where the silence wins, the stream's own end has nobody who hears it.
  next.catch(() => undefined);
  try {
    return await Promise.race([next, silence]);
  } finally {
    clearTimeout(timer);
  }
}
