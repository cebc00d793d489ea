/** How the packets of both sides of a pair leave, and what they become. */
import type { FlowEnds, OffloadRefusal } from '../core/offload.ts';
import { encodeFlow, familyOf } from './layout.ts';
import type { Loopback } from './loopback.ts';
import { refuse, type ResolvedWay, type Routes } from './routes.ts';

/** A way before it has a slot. */
export interface Planned {
  readonly flow: Buffer;
  readonly way: ResolvedWay;
}

export interface Plan {
  readonly fromClient: Planned;
  readonly fromUpstream: Planned;
}

export function planPair({ client, upstream }: FlowEnds, routes: Routes, loopback: Loopback): Plan | OffloadRefusal {
  const down = routes.resolve(client);
  if ('reason' in down) return down;
  const up = routes.resolve(upstream);
  if ('reason' in up) return up;
  const isMixed = familyOf(client.local.address) !== familyOf(upstream.local.address);
  if (isMixed && (down.isLoopback || up.isLoopback)) {
    // The stack has routed a packet on lo already, for the family that it had.
    return refuse('address-family', 'expected one address family for both sides on lo, found IPv4 and IPv6');
  }
  if (down.isLoopback !== up.isLoopback) {
    const inside = down.isLoopback ? client : upstream;
    const takes = (): boolean => routes.takesOnLoopback(inside);
    if (!takes() && !(loopback.open() && takes())) {
      const where = `from ${inside.local.address} to ${inside.remote.address}`;
      return refuse('no-route', `expected the stack to take packets ${where} on lo, found that it drops them`);
    }
  }
  const goesUp = down.isLoopback && up.isLoopback;
  const [asked, answered] = [
    { source: client.remote, destination: client.local },
    { source: upstream.remote, destination: upstream.local },
  ];
  const [forward, back] = [
    { source: upstream.local, destination: upstream.remote },
    { source: client.local, destination: client.remote },
  ];
  const { transport } = client;
  return {
    fromClient: { flow: encodeFlow(asked, forward, up, goesUp, transport), way: up },
    fromUpstream: { flow: encodeFlow(answered, back, down, goesUp, transport), way: down },
  };
}
