/** Active health checks: asks every endpoint at an interval, and says when its state turns. */
import type { HealthCheck } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../common/errors.ts';
import type { Endpoint } from './endpoint.ts';
import { probe } from './probe.ts';

/** Asks an endpoint once; rejects with the reason where it is not well. Gives up when the signal aborts. */
export type Probe = typeof probe;

export interface HealthOptions {
  /** Called when an endpoint turns healthy or unhealthy, after its `healthy` was set; with why it is unhealthy. */
  readonly onChange: (endpoint: Endpoint, reason: string | undefined) => void;
  readonly probe?: Probe | undefined;
}

/** The checks of one endpoint. */
interface Check {
  /** To the next one, or to the end of this one's time. */
  timer: NodeJS.Timeout | undefined;
  /** Ends the one under way. */
  abort: AbortController | undefined;
  /** Results in a row that speak against the present state. */
  streak: number;
  /** Until the first result nothing is known: it decides alone. */
  first: boolean;
}

export class HealthChecker {
  private readonly config: HealthCheck;
  private readonly options: HealthOptions;
  private readonly checks = new Map<Endpoint, Check>();

  constructor(config: HealthCheck, options: HealthOptions) {
    this.config = config;
    this.options = options;
  }

  /** Checks these from now on, and no others. The first check of a new one is at once. */
  watch(endpoints: readonly Endpoint[]): void {
    for (const endpoint of this.checks.keys()) if (!endpoints.includes(endpoint)) this.forget(endpoint);
    for (const endpoint of endpoints) {
      if (this.checks.has(endpoint) || endpoint.address === '') continue;
      const check: Check = { timer: undefined, abort: undefined, streak: 0, first: true };
      this.checks.set(endpoint, check);
      void this.run(endpoint, check);
    }
  }

  close(): void {
    for (const endpoint of [...this.checks.keys()]) this.forget(endpoint);
  }

  private forget(endpoint: Endpoint): void {
    const check = this.checks.get(endpoint);
    this.checks.delete(endpoint);
    clearTimeout(check?.timer);
    check?.abort?.abort(new Error('the check is not wanted any more'));
  }

  private async run(endpoint: Endpoint, check: Check): Promise<void> {
    const { interval, timeout } = this.config;
    const abort = new AbortController();
    check.abort = abort;
    check.timer = setTimeout(() => abort.abort(new Error(`no answer in ${timeout} ms`)), timeout);
    let failure: unknown;
    try {
      await (this.options.probe ?? probe)(endpoint, this.config, abort.signal);
    } catch (error) {
      failure = error;
    }
    if (this.checks.get(endpoint) !== check) return;
    clearTimeout(check.timer);
    // Up to a tenth of jitter, so that the checks of many proxies don't come at once.
    check.timer = setTimeout(() => void this.run(endpoint, check), interval * (0.95 + Math.random() * 0.1)).unref();
    this.record(endpoint, check, failure);
  }

  private record(endpoint: Endpoint, check: Check, failure: unknown): void {
    const error = failure === undefined ? undefined : ProxyError.from(failure);
    // That we have no descriptors left says nothing about the endpoint.
    if (error?.code === 'NO_DESCRIPTORS') return;
    const well = error === undefined;
    check.streak = well === endpoint.healthy ? 0 : check.streak + 1;
    const { healthy_threshold, unhealthy_threshold } = this.config;
    const threshold = check.first ? 1 : well ? healthy_threshold : unhealthy_threshold;
    check.first = false;
    if (check.streak < threshold) return;
    check.streak = 0;
    endpoint.healthy = well;
    this.options.onChange(endpoint, error?.message);
  }
}
