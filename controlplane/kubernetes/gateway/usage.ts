/** Which parents of routes send sessions to which Services: policies of those tell their status by parent. */
import type { Service } from '../api/core-kinds.ts';
import type { Gateway } from '../api/gateway-kinds.ts';
import { fullName } from '../api/order.ts';

export interface Usage {
  note(parent: Gateway | Service, service: Service): void;
  /** Those that use a Service, named as in `default/web`. */
  of(service: string): readonly (Gateway | Service)[];
}

export function createUsage(): Usage {
  const users = new Map<string, Set<Gateway | Service>>();
  return {
    note(parent, service) {
      const name = fullName(service);
      const found = users.get(name);
      if (found === undefined) users.set(name, new Set([parent]));
      else found.add(parent);
    },
    of: (service) => [...(users.get(service) ?? [])],
  };
}
