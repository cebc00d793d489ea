/** Who leads among replicas: whoever holds a Lease (coordination.k8s.io/v1), by client-go's rules. */
import type { Logger } from '../../../common/log.ts';
import { isOver, pause } from '../../../common/signal.ts';
import { LEASE } from '../api/core-types.ts';
import type { KubeObject } from '../api/object.ts';
import type { KubeClient } from './client.ts';
import { isConflict, isNotFound } from './errors.ts';

export interface LeaseOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  /** Of this process alone, as in `POD_UUID`: two of one identity would both lead. */
  readonly identity: string;
  /** Called when it begins and when it ends to lead. */
  readonly onChange: (leads: boolean) => void;
  readonly log: Logger;
  readonly timing?: Partial<LeaseTiming>;
}

/** In ms; `retry` < `renew` < `duration`. */
export interface LeaseTiming {
  /** After it without a renewal, another takes the lead. 15,000 when absent; whole seconds. */
  readonly duration: number;
  /** After it without a renewal, the leader leads no more. 10,000 when absent. */
  readonly renew: number;
  /** Between renewals, and between looks at who leads. 2,000 when absent. */
  readonly retry: number;
}

const TIMING: LeaseTiming = { duration: 15_000, renew: 10_000, retry: 2000 };

interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

type LeaseObject = KubeObject<LeaseSpec>;

/**
 * Leads whenever it can. What counts is when this process saw the lease change, by its own monotonic clock: the times in the lease
 * are for people. A leader counts from before it asked for a renewal, the others from when they saw it; and it gives up
 * sooner than they take over. So there are never two, whatever the clocks say.
 */
export class Lease {
  readonly #options: LeaseOptions;
  readonly #timing: LeaseTiming;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #lease: LeaseObject | undefined;
  /** When `#lease` was seen to be another than before. */
  #seen = 0;
  /** Until when it leads without another renewal. */
  #until = -Infinity;
  #told = false;
  #expiry: NodeJS.Timeout | undefined;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    const { retry, renew, duration } = this.#timing;
    if (!(retry > 0 && retry < renew && renew < duration && duration % 1000 === 0)) {
      const found = JSON.stringify(this.#timing);
      throw new RangeError(`lease: expected 0 < retry < renew < duration, which is in whole seconds, found ${found}`);
    }
    this.#running = this.#run();
  }

  /** Asked right before anything that only the leader may do: also after the process was stopped for a while, it is right. */
  get leads(): boolean {
    return performance.now() < this.#until;
  }

  /** Who leads, as far as is known. */
  get holder(): string | undefined {
    return this.#lease?.spec?.holderIdentity || undefined;
  }

  /** Leads no more, and lets another lead at once. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    const led = this.leads;
    this.#lose();
    if (led) await this.#release();
  }

  async #run(): Promise<void> {
    const { log } = this.#options;
    const { signal } = this.#closing;
    let failed = false;
    while (!signal.aborted) {
      const began = performance.now();
      try {
        await this.#turn();
        failed = false;
      } catch (error) {
        if (isOver(signal)) return;
        // Somebody else was first: that is how it goes. What we know of the lease is old, in any case.
        if (!isConflict(error) && !failed) {
          failed = true;
          log.warn({ error: (error as Error).message }, 'the lease of Kubernetes: it is tried again');
        }
        await this.#observe().catch(() => undefined);
      }
      const rest = this.#timing.retry - (performance.now() - began);
      // Those that look for a chance don't all look at once.
      await pause(Math.max(rest, 0) + (this.#told ? 0 : Math.random() * this.#timing.retry * 0.2), signal);
    }
  }

  /** Renews, or takes, or looks whether it may. */
  async #turn(): Promise<void> {
    if (!this.leads) {
      this.#lose();
      await this.#observe();
      if (!this.#isFree()) return;
    }
    await this.#hold();
  }

  async #observe(): Promise<void> {
    const { client, namespace, name } = this.#options;
    try {
      this.#see(await client.get<LeaseObject>(LEASE, { namespace, name }, this.#call()));
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.#lease = undefined;
    }
    if (this.holder !== this.#options.identity) this.#lose();
  }

  #see(lease: LeaseObject): void {
    const { uid, resourceVersion } = lease.metadata;
    const before = this.#lease?.metadata;
    if (before?.uid !== uid || before?.resourceVersion !== resourceVersion) this.#seen = performance.now();
    this.#lease = lease;
  }

  #isFree(): boolean {
    const { holder } = this;
    if (holder === undefined || holder === this.#options.identity) return true;
    const seconds = this.#lease?.spec?.leaseDurationSeconds ?? this.#timing.duration / 1000;
    return performance.now() >= this.#seen + seconds * 1000;
  }

  /** Writes that it holds the lease, unless somebody else wrote meanwhile. @throws KubeError */
  async #hold(): Promise<void> {
    const { client, namespace, name, identity } = this.#options;
    const asked = performance.now();
    const now = microTime();
    const before = this.#lease?.spec;
    const isOurs = before?.holderIdentity === identity;
    const spec: LeaseSpec = {
      holderIdentity: identity,
      leaseDurationSeconds: this.#timing.duration / 1000,
      acquireTime: (isOurs ? before.acquireTime : undefined) ?? now,
      renewTime: now,
      leaseTransitions: (before?.leaseTransitions ?? 0) + (isOurs || before === undefined ? 0 : 1),
    };
    const { apiVersion, kind } = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' };
    const metadata = this.#lease?.metadata ?? { namespace, name };
    const object: LeaseObject = { apiVersion, kind, metadata, spec };
    const written = this.#lease
      ? await client.replace<LeaseObject>(LEASE, object, this.#call())
      : await client.create<LeaseObject>(LEASE, object, this.#call());
    this.#see(written);
    this.#until = asked + this.#timing.renew;
    if (!this.leads) return;
    clearTimeout(this.#expiry);
    this.#expiry = setTimeout(() => !this.leads && this.#lose(), this.#until - performance.now() + 1);
    this.#tell(true);
  }

  #lose(): void {
    clearTimeout(this.#expiry);
    this.#until = -Infinity;
    this.#tell(false);
  }

  #tell(leads: boolean): void {
    if (leads === this.#told) return;
    this.#told = leads;
    const { onChange, log, identity } = this.#options;
    log.info({ identity, holder: this.holder }, leads ? 'this replica leads' : 'this replica leads no more');
    onChange(leads);
  }

  /** Where it fails, the lease ends by itself. */
  async #release(): Promise<void> {
    const { client, log } = this.#options;
    if (!this.#lease) return;
    const spec = { ...this.#lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime() };
    await client
      .replace(LEASE, { ...this.#lease, spec }, { timeoutMs: this.#timing.retry })
      .catch((error: unknown) => log.debug({ error: (error as Error).message }, 'a lease that ends by itself'));
  }

  /** No call takes longer than a leader may be without a renewal. */
  #call(): { readonly signal: AbortSignal; readonly timeoutMs: number } {
    return { signal: this.#closing.signal, timeoutMs: this.#timing.renew / 2 };
  }
}

/** metav1.MicroTime has six digits. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z');
}
