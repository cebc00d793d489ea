/** A note of a session that has seen nothing pass. */
import type { SessionNote } from '../../dataplane/core/offload.ts';

const NOTHING = { packets: 0, bytes: 0, dropped: 0 };
const SIDES = { ingress: NOTHING, egress: NOTHING };

export const NOTE: SessionNote = {
  name: 'session',
  listener: 'in',
  route: 'route',
  cluster: 'out',
  startedAt: 1,
  passed: SIDES,
  relayed: SIDES,
};
