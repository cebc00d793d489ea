/** How the proxy fares with its control plane. */
import type { Plain } from '../../common/address.ts';
import type { ControlPlaneState, ResourceState } from '../core/control-plane.ts';
import { type Context, found, show } from './context.ts';
import type { Route } from './router.ts';

export function controlPlaneRoutes({ controlPlane }: Context): Route[] {
  return [
    { path: '/api/v1/controlplane', methods: { GET: (call) => show(call, controlPlaneView(found(controlPlane()))) } },
  ];
}

export function controlPlaneView({ lastError, since, types, ...state }: ControlPlaneState): Plain {
  return {
    ...state,
    since: timestamp(since),
    ...(lastError !== undefined && { last_error: lastError }),
    types: Object.fromEntries([...types].map(([kind, each]) => [kind, resourceView(each)])),
  };
}

function resourceView({ resources, acks, nacks, version, lastNack }: ResourceState): Plain {
  return {
    resources,
    acks,
    nacks,
    ...(version !== '' && { version }),
    ...(lastNack && { last_nack: { at: timestamp(lastNack.at), faults: lastNack.faults } }),
  };
}

function timestamp(ms: number): string {
  return new Date(ms).toISOString();
}
