/** Puts other entries in the place of all: as a generation beside, which is then read in place of the old one. */
import { randomUUID } from 'node:crypto';
import type { TxnResponse } from '../../../gen/etcd.ts';
import { type Entry, StoreError } from '../../core/store.ts';
import type { EtcdClient } from './client.ts';
import { endOf, type Generation, isAt, type Layout } from './layout.ts';

/** What one transaction takes with etcd's own limits (--max-txn-ops 128, --max-request-bytes 1.5 MiB). */
const BATCH = { operations: 100, bytes: 1024 * 1024 };

export async function replaceAll(
  client: EtcdClient,
  layout: Layout,
  current: Generation,
  entries: readonly Pick<Entry, 'key' | 'value'>[],
): Promise<Generation> {
  const next = { id: randomUUID() };
  // Whoever comes later takes it over, and the one before finds that it may not go on.
  const claim = await client.call<TxnResponse>(
    'KV/Txn',
    { success: [{ request_put: { key: layout.restore, value: Buffer.from(next.id) } }] },
    { idempotent: true },
  );
  const mine = isAt(layout.restore, claim.header?.revision ?? 0);
  const step = async (success: object[], more: object[], idempotent: boolean): Promise<number> => {
    const request = { compare: [mine, ...more], success };
    const { succeeded, header } = await client.call<TxnResponse>('KV/Txn', request, { idempotent });
    if (!succeeded) {
      throw new StoreError('UNAVAILABLE', 'another replacement of all entries came in between: nothing was changed');
    }
    return header?.revision ?? 0;
  };
  const isCurrent = isAt(layout.generation, current.modRevision);
  await step(leftovers(layout, current), [isCurrent], true);
  for (const batch of batches(entries)) {
    const puts = batch.map(({ key, value }) => ({ request_put: { key: layout.data(next, key), value } }));
    await step(puts, [], true);
  }
  const old = layout.data(current, '');
  const revision = await step(
    [
      { request_put: { key: layout.generation, value: Buffer.from(next.id) } },
      { request_delete_range: { key: layout.restore } },
      { request_delete_range: { key: old, range_end: endOf(old) } },
    ],
    [isCurrent],
    false,
  );
  return { id: next.id, modRevision: revision };
}

/** Deletes what replacements have left that did not come to their end. */
function leftovers(layout: Layout, current: Generation): object[] {
  const kept = layout.data(current, '');
  return [
    { request_delete_range: { key: layout.allData, range_end: kept } },
    { request_delete_range: { key: endOf(kept), range_end: endOf(layout.allData) } },
  ];
}

function* batches<T extends Pick<Entry, 'key' | 'value'>>(entries: readonly T[]): Generator<T[]> {
  let batch: T[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const size = Buffer.byteLength(entry.key) + entry.value.length;
    if (batch.length >= BATCH.operations || (batch.length > 0 && bytes + size > BATCH.bytes)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(entry);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}
