/** Who leads among replicas: whoever made a key that lives with its lease. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { LeaseKeepAliveResponse, TxnResponse } from '../../../gen/etcd.ts';
import type { Logger } from '../../../common/log.ts';
import { changes } from './changes.ts';
import type { EtcdClient } from './client.ts';
import { isOver, pause } from '../../../common/signal.ts';

/** How long whoever leads may be cut off before another does. */
const LEASE_SECONDS = 10;
/** The part of that time after which it takes itself for cut off: before etcd does. */
const OWN_PART = 0.8;
const RETRY_MS = 500;

/** Leads whenever it can until `signal` aborts. */
export async function lead(
  client: EtcdClient,
  key: Buffer,
  onChange: (leads: boolean) => void,
  signal: AbortSignal,
  log: Logger,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await term(client, key, onChange, signal, log);
    } catch (error) {
      log.warn({ error: (error as Error).message }, 'no lead by etcd: it is tried again');
    }
    await pause(RETRY_MS, signal);
  }
}

/** One lease, from its grant to its end. */
async function term(
  client: EtcdClient,
  key: Buffer,
  onChange: (leads: boolean) => void,
  signal: AbortSignal,
  log: Logger,
): Promise<void> {
  // Chosen here, and small enough for a number: etcd's own take 63 bits.
  const id = randomBytes(6).readUIntBE(0, 6) + 1;
  const since = performance.now();
  await client.call('Lease/LeaseGrant', { TTL: LEASE_SECONDS, ID: id }, { idempotent: false, signal });
  const lost = new AbortController();
  const over = AbortSignal.any([signal, lost.signal]);
  const keeping = keep(client, id, since, lost, over);
  let leads = false;
  try {
    const revision = await win(client, key, id, over, log);
    if (revision === undefined) return;
    leads = true;
    onChange(true);
    await deleted(client, key, revision, over, log);
  } finally {
    if (leads) onChange(false);
    lost.abort();
    await keeping;
    // Another may lead at once; where this fails, the lease ends by itself.
    await client
      .call('Lease/LeaseRevoke', { ID: id }, { idempotent: false, timeoutMs: 1000 })
      .catch((error: unknown) => log.debug({ error: (error as Error).message }, 'a lease that is not needed any more'));
  }
}

/** Makes the key, as soon as nobody has it. Undefined: it is over before. */
async function win(
  client: EtcdClient,
  key: Buffer,
  lease: number,
  over: AbortSignal,
  log: Logger,
): Promise<number | undefined> {
  const value = Buffer.from(`${hostname()}:${process.pid}`);
  const attempt = {
    compare: [{ target: 'CREATE', key, create_revision: 0 }],
    success: [{ request_put: { key, value, lease } }],
    failure: [],
  };
  while (!over.aborted) {
    const options = { idempotent: false, signal: over };
    const { succeeded, header } = await client.call<TxnResponse>('KV/Txn', attempt, options);
    const revision = header?.revision ?? 0;
    if (succeeded) return isOver(over) ? undefined : revision;
    await deleted(client, key, revision, over, log);
  }
  return undefined;
}

/** Resolves once the key was deleted after a revision, or it is over. */
async function deleted(
  client: EtcdClient,
  key: Buffer,
  revision: number,
  over: AbortSignal,
  log: Logger,
): Promise<void> {
  for await (const { events } of changes(client, { key }, revision, over, log)) {
    if (events.some(({ type }) => type === 'DELETE')) return;
  }
}

/** Renews a lease until it is over; aborts `lost` before it ends unrenewed. Never fails. */
async function keep(
  client: EtcdClient,
  id: number,
  since: number,
  lost: AbortController,
  over: AbortSignal,
): Promise<void> {
  // Counted from when it was asked for: etcd counts from later on.
  const expire = (from: number): NodeJS.Timeout =>
    setTimeout(() => lost.abort(), from + LEASE_SECONDS * 1000 * OWN_PART - performance.now());
  let timer = expire(since);
  while (!over.aborted) {
    await pause((LEASE_SECONDS * 1000) / 4, over);
    while (!isOver(over)) {
      const from = performance.now();
      try {
        const options = { idempotent: true, timeoutMs: LEASE_SECONDS * 500, signal: over };
        const { TTL } = await client.call<LeaseKeepAliveResponse>('Lease/LeaseKeepAlive', { ID: id }, options);
        if (TTL <= 0) lost.abort();
        clearTimeout(timer);
        timer = expire(from);
        break;
      } catch {
        await pause(RETRY_MS, over);
      }
    }
  }
  clearTimeout(timer);
}
