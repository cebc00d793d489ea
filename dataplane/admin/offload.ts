/** Which sessions the kernel relays, and why others not. */
import type { Plain } from '../../common/address.ts';
import type { OffloadStatus } from '../core/offload.ts';
import { type Context, show } from './context.ts';
import type { Route } from './router.ts';

export function offloadRoutes({ offload }: Context): Route[] {
  return [{ path: '/api/v1/offload', methods: { GET: (call) => show(call, offloadView(offload())) } }];
}

export function offloadView(status: OffloadStatus | undefined): Plain {
  const { engine, reason = 'kernel offload is not asked for (admin.offload)' } = status ?? {};
  return {
    enabled: engine !== undefined,
    ...(engine ? { ...engine } : { reason }),
    handovers: status?.handovers ?? 0,
    handbacks: status?.handbacks ?? 0,
    ...(status?.connections && { tcp: tcpView(status.connections) }),
    refusals: Object.fromEntries(status?.refusals ?? []),
    sessions: (status?.sessions() ?? []).map((session) => ({ ...session })),
  };
}

function tcpView({ engine, reason = '' }: NonNullable<OffloadStatus['connections']>): Plain {
  return { enabled: engine !== undefined, ...(engine ? { ...engine } : { reason }) };
}
