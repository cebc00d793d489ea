/** A full table, and many short flows, on the lo of its network namespace: says what came of it as one line of JSON. */
import { readdirSync } from 'node:fs';
import type { FlowPair, OffloadEngine } from '../../../../dataplane/core/offload.ts';
import { openOffloadEngine } from '../../../../dataplane/offload/index.ts';
import type { OffloadableSession } from '../../../../dataplane/core/kernel-path.ts';
import { OffloadPolicy } from '../../../../dataplane/offload/policy.ts';
import { silentLogger } from '../../../support/doubles.ts';
import { NOTE } from '../../../support/session-note.ts';
import { until } from '../../../support/until.ts';

const CAPACITY = 100;
const SHORT_FLOWS = 1500;

async function openEngine(): Promise<OffloadEngine> {
  const engine = await openOffloadEngine({ capacity: CAPACITY });
  if ('reason' in engine) throw new Error(engine.message);
  return engine;
}

const engine = await openEngine();

function pairOf(id: number): FlowPair {
  const side = (local: number): FlowPair['client'] => ({
    transport: 'udp',
    local: { address: '127.0.0.1', port: local },
    remote: { address: `127.1.${id >> 8}.${id & 255}`, port: 9000 },
  });
  return { id, client: side(5000), upstream: side(6000) };
}

function fill(): string[] {
  const refusals: string[] = [];
  for (let id = 0; id < 2 * CAPACITY; id++) {
    const refusal = engine.insert(pairOf(id));
    if (refusal) refusals.push(refusal.reason);
  }
  return refusals;
}

function empty(): void {
  for (let id = 0; id < 2 * CAPACITY; id++) engine.remove(id);
}

const full = { refusals: fill(), flows: engine.stats.flows };
empty();

// Slots rest for half a second, so flows that are shorter have to wait for some.
const descriptors = readdirSync('/proc/self/fd').length;
let inserted = 0;
for (let id = 0; id < SHORT_FLOWS; id++) {
  await until('a slot', () => engine.insert(pairOf(id)) === undefined);
  inserted++;
  if (engine.remove(id) === undefined) throw new Error(`expected the pair ${id}, found none`);
}
const leaked = readdirSync('/proc/self/fd').length - descriptors;

// As many as ever have room.
const again = await until('a table that fills again', () => {
  const refusals = fill();
  return engine.stats.flows === CAPACITY && refusals.filter((reason) => reason === 'table-full').length;
});
empty();

const told: string[] = [];
const policy = new OffloadPolicy(engine, silentLogger);
const candidate = (id: number): OffloadableSession => ({
  id,
  name: String(id),
  clientReliable: false,
  rate: 0,
  settle: () => true,
  listener: 'in',
  offloadPolicy: { policy: 'auto', threshold: 10, byte_threshold: 0 },
  flowEnds: pairOf(id),
  relayed: () => undefined,
  endedInKernel: () => undefined,
  passesKernel: () => told.push(`${id} in`),
  passesUserSpace: () => told.push(`${id} out`),
  note: NOTE,
});
await until('a table that the policy fills', () => {
  policy.sweep(performance.now());
  for (let id = 0; id < CAPACITY; id++) policy.measured(candidate(id), id === 42 ? 50 : 100, performance.now());
  return engine.stats.flows === CAPACITY;
});
// Some of them had to wait for slots that rest.
told.length = 0;
policy.refusals.clear();
policy.sweep(performance.now());
policy.measured(candidate(200), 99, performance.now());
policy.measured(candidate(201), 101, performance.now());
policy.measured(candidate(202), 199, performance.now());
const displacement = { told, refusals: Object.fromEntries(policy.refusals), flows: engine.stats.flows };
engine.close();
process.stdout.write(`${JSON.stringify({ full, inserted, leaked, again, displacement })}\n`);
