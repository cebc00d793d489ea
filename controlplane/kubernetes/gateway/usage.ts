/** Which Gateways send sessions to which Services: policies of those tell their status by Gateway. */
import type { Service } from '../api/core-kinds.ts';
import type { Gateway } from '../api/gateway-kinds.ts';
import { fullName } from '../api/order.ts';

export interface Usage {
  note(gateway: Gateway, service: Service): void;
  /** Those that use a Service, named as in `default/web`. */
  of(service: string): readonly Gateway[];
}

export function createUsage(): Usage {
  const users = new Map<string, Set<Gateway>>();
  return {
    note(gateway, service) {
      const name = fullName(service);
      const found = users.get(name);
      if (found === undefined) users.set(name, new Set([gateway]));
      else found.add(gateway);
    },
    of: (service) => [...(users.get(service) ?? [])],
  };
}
