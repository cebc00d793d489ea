/** Active health checks: asks every endpoint at an interval, and says when its state turns. */
import type { HealthCheck } from '../../gen/l7mp/config/v1/types.ts';
import type { Endpoint } from './endpoint.ts';
import { probe } from './probe.ts';

export interface HealthOptions {
  /** Called when an endpoint turns healthy or unhealthy, after its `healthy` was set. */
  readonly onChange: (endpoint: Endpoint, reason: string | undefined) => void;
  /** Asks once; rejects where the endpoint is not well. */
  readonly probe?: typeof probe;
}

interface Check {
  timer: NodeJS.Timeout | undefined;
  readonly abort: AbortController;
  /** Results in a row that speak against the present state. */
  streak: number;
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
      const check: Check = { timer: undefined, abort: new AbortController(), streak: 0 };
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
    check?.abort.abort();
  }

  private async run(endpoint: Endpoint, check: Check): Promise<void> {
    let failure: string | undefined;
    try {
      await (this.options.probe ?? probe)(endpoint, this.config, check.abort.signal);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    if (check.abort.signal.aborted) return;
    this.record(endpoint, check, failure);
    // A tenth of jitter, so that the checks of many proxies don't come at once.
    const pause = this.config.interval * (0.95 + Math.random() * 0.1);
    check.timer = setTimeout(() => void this.run(endpoint, check), pause).unref();
  }

  private record(endpoint: Endpoint, check: Check, failure: string | undefined): void {
    const { healthy_threshold, unhealthy_threshold } = this.config;
    const well = failure === undefined;
    check.streak = well === endpoint.healthy ? 0 : check.streak + 1;
    if (check.streak < (well ? healthy_threshold : unhealthy_threshold)) return;
    if (well === endpoint.healthy) return;
    endpoint.healthy = well;
    check.streak = 0;
    this.options.onChange(endpoint, failure);
  }
}
