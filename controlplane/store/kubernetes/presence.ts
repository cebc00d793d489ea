/**
 * Which replicas live: each renews a Lease of its own, and all watch those. So that they live costs no commits, and a store at
 * rest stays as it is.
 */
import { createHash } from 'node:crypto';
import type { Logger } from '../../../common/log.ts';
import { isOver, pause } from '../../../common/signal.ts';
import { isMissing, type ResourceKind, type StoredObject } from './api.ts';
import { STORE_LABEL } from './head.ts';
import type { Scope } from './records.ts';

const LEASE: ResourceKind = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
};

/** In ms: between renewals, and after which a Lease that nobody renewed is deleted. */
const TIMING = { renew: 10_000, forget: 3600_000 };
/** As the watch of the head: see there. */
const WATCH = { seconds: 600, silenceMs: 150_000 };
const RETRY_MS = 5000;

interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly renewTime?: string;
}

/** As `Store.presence`. It never fails: what does is in the log, and tried again. */
export async function keepPresence(
  scope: Scope,
  id: string,
  onSign: (id: string, at: number) => void,
  signal: AbortSignal,
  log: Logger,
): Promise<void> {
  const presence = new Presence(scope, id, onSign, log);
  await Promise.all([presence.renew(signal), presence.follow(signal)]);
  await presence.end();
}

class Presence {
  readonly #scope: Scope;
  readonly #id: string;
  readonly #name: string;
  readonly #onSign: (id: string, at: number) => void;
  readonly #log: Logger;
  /** By name: of which version, and when that was seen. */
  readonly #seen = new Map<string, { readonly version: string; readonly at: number }>();

  constructor(scope: Scope, id: string, onSign: (id: string, at: number) => void, log: Logger) {
    this.#scope = scope;
    this.#id = id;
    this.#name = `${scope.name}-replica-${createHash('sha256').update(id).digest('hex').slice(0, 16)}`;
    this.#onSign = onSign;
    this.#log = log;
  }

  async renew(signal: AbortSignal): Promise<void> {
    const { client, namespace, name: store, timeoutMs } = this.#scope;
    const metadata = { namespace, name: this.#name, labels: { [STORE_LABEL]: store } };
    await this.#again(signal, 'this replica could not say that it lives', TIMING.renew, async () => {
      const renewTime = new Date().toISOString().replace('Z', '000Z'); // metav1.MicroTime has six digits
      const spec = { holderIdentity: this.#id, leaseDurationSeconds: (3 * TIMING.renew) / 1000, renewTime };
      const object = { apiVersion: 'coordination.k8s.io/v1', kind: LEASE.kind, metadata, spec };
      await client.apply(LEASE, object, { force: true, timeoutMs, signal });
      await this.#forget(signal);
    });
  }

  async follow(signal: AbortSignal): Promise<void> {
    const { client, namespace, name } = this.#scope;
    await this.#again(signal, 'the watch of replicas was lost', 0, async () => {
      const watch = client.watch(LEASE, {
        ...{ namespace, labelSelector: `${STORE_LABEL}=${name}`, resourceVersion: '', signal },
        ...{ timeoutSeconds: WATCH.seconds, silenceMs: () => WATCH.silenceMs },
      });
      for await (const events of watch) for (const { type, object } of events) this.#hear(type, object);
    });
  }

  /** Others hear at once that it is gone. */
  async end(): Promise<void> {
    const { client, namespace, timeoutMs } = this.#scope;
    await client.delete(LEASE, { namespace, name: this.#name }, { timeoutMs }).catch(() => undefined);
  }

  #hear(type: string, { metadata, spec }: StoredObject): void {
    const { name, resourceVersion: version = '' } = metadata;
    if (type === 'DELETED') this.#seen.delete(name);
    if (type !== 'ADDED' && type !== 'MODIFIED') return;
    const before = this.#seen.get(name);
    if (before?.version === version) return;
    this.#seen.set(name, { version, at: performance.now() });
    const { holderIdentity = '', renewTime = '' } = spec as LeaseSpec;
    // One that was there before is as old as it says. What comes is of now, as clocks differ.
    if (name !== this.#name) this.#onSign(holderIdentity, before ? Date.now() : Date.parse(renewTime) || 0);
  }

  /** Of those that were killed. */
  async #forget(signal: AbortSignal): Promise<void> {
    const { client, namespace, timeoutMs } = this.#scope;
    for (const [name, { at }] of this.#seen) {
      if (performance.now() - at < TIMING.forget) continue;
      this.#seen.delete(name);
      await client.delete(LEASE, { namespace, name }, { timeoutMs, signal }).catch((error: unknown) => {
        if (!isMissing(error)) throw error; // another replica was first
      });
    }
  }

  async #again(signal: AbortSignal, what: string, everyMs: number, work: () => Promise<void>): Promise<void> {
    let failed = false;
    while (!signal.aborted) {
      try {
        await work();
        failed = false;
        await pause(everyMs, signal);
      } catch (error) {
        if (isOver(signal)) return;
        if (!failed) this.#log.warn({ error: (error as Error).message }, `${what}: it is tried again`);
        failed = true;
        await pause(RETRY_MS * (0.5 + Math.random() / 2), signal);
      }
    }
  }
}
