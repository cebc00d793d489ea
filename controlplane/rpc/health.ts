/** gRPC's health service: what load balancers and Kubernetes' gRPC probes ask. */
import type { HealthCheckRequest, HealthCheckResponse } from '../../gen/messages.ts';
import { type Call, RpcError, type Service, STATUS } from '../core/rpc.ts';

/** How a service is. */
export type HealthStatus = 'SERVING' | 'NOT_SERVING';

export interface Health {
  readonly service: Service;
  /** Says how a service is; the empty name is the server's. */
  set(service: string, status: HealthStatus): void;
}

/** The services of these names, and the server, are NOT_SERVING until `set` says something else. */
export function createHealth(names: readonly string[]): Health {
  const statuses = new Map<string, HealthStatus>(['', ...names].map((name) => [name, 'NOT_SERVING']));
  const watchers = new Set<() => void>();

  const check = ({ service }: HealthCheckRequest): Promise<HealthCheckResponse> => {
    const status = statuses.get(service);
    if (status === undefined) throw new RpcError(STATUS.NOT_FOUND, `there is no service ${service}`);
    return Promise.resolve({ status });
  };

  async function* watch({ service }: HealthCheckRequest, { signal }: Call): AsyncGenerator<HealthCheckResponse> {
    let wake: () => void = () => {};
    const notify = (): void => wake();
    watchers.add(notify);
    signal.addEventListener('abort', notify);
    try {
      let told: string | undefined;
      while (!signal.aborted) {
        const changed = new Promise<void>((resolve) => (wake = resolve));
        const status = statuses.get(service) ?? 'SERVICE_UNKNOWN';
        if (status !== told) {
          told = status;
          yield { status };
        } else {
          await changed;
        }
      }
    } finally {
      watchers.delete(notify);
    }
  }

  return {
    service: { name: 'grpc.health.v1.Health', anonymous: true, methods: { Check: check, Watch: watch } },
    set(service, status) {
      statuses.set(service, status);
      for (const notify of watchers) notify();
    },
  };
}
