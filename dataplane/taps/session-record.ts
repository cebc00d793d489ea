/** How a tap shows a session: who its parties are, and its packets' ends at the point that is looked at. Pure. */
import { isJsonObject, jsonObject } from '../../common/json.ts';
import type { Json } from '../../gen/l7mp/config/v1/types.ts';
import type { Metadata } from '../core/session.ts';
import type { TappedSession, TapSide } from '../core/tap.ts';
import type { EndRecordAddress, EndsRecord, PartyRecord, SessionRecord } from './records.ts';

/** What the configuration says of a listener or cluster. */
export interface Parties {
  readonly listener: (name: string) => Omit<PartyRecord, 'name'> | undefined;
  readonly cluster: (name: string) => Omit<PartyRecord, 'name'> | undefined;
}

/** `metadata`: with what is not shown left out. */
export function sessionRecord(
  session: TappedSession,
  side: TapSide,
  parties: Parties,
  shown: { readonly metadata: Json; readonly time: number; readonly joined: boolean },
): SessionRecord {
  const { view, wire } = session;
  const { destination } = view;
  return {
    type: 'session',
    time: shown.time,
    id: view.id,
    session: view.name,
    side,
    listener: { name: view.listener, ...parties.listener(view.listener) },
    ...(destination && { cluster: { name: destination.origin, ...parties.cluster(destination.origin) } }),
    ...(destination?.endpoint && { endpoint: destination.endpoint.name }),
    ...(view.route !== undefined && { route: view.route }),
    ...(shown.joined && { joined: true }),
    ends: endsOf(session, side),
    framing: wire?.framing ?? 'bytes',
    metadata: shown.metadata,
  };
}

/** A client's ends are what its session's metadata says, where it is captured the ones that it meant. */
function endsOf({ view, wire }: TappedSession, side: TapSide): EndsRecord {
  const { flow } = wire ?? {};
  const bare = flow !== undefined;
  if (side === 'upstream') {
    const { address, port } = view.destination?.endpoint ?? {};
    const transport = flow?.transport ?? (wire?.reliable === false ? 'udp' : 'tcp');
    return { transport, from: flow?.local, to: flow?.remote ?? addressOf(address, port), bare };
  }
  const { transport, from, to } = clientEnds(view.metadata);
  return { transport: transport ?? flow?.transport ?? (wire?.reliable === false ? 'udp' : 'tcp'), from, to, bare };
}

function clientEnds(metadata: Metadata): {
  transport: 'tcp' | 'udp' | undefined;
  from: EndRecordAddress | undefined;
  to: EndRecordAddress | undefined;
} {
  const ip = jsonObject(metadata['IP']);
  const transport = isJsonObject(metadata['TCP']) ? 'tcp' : isJsonObject(metadata['UDP']) ? 'udp' : undefined;
  const ports = jsonObject(metadata['TCP'] ?? metadata['UDP'] ?? metadata['SCTP']);
  return {
    transport,
    from: addressOf(ip['src_addr'], ports['src_port']),
    to: addressOf(ip['dst_addr'], ports['dst_port']),
  };
}

/** Rules may have written anything there. */
function addressOf(address: unknown, port: unknown): EndRecordAddress | undefined {
  return typeof address === 'string' && typeof port === 'number' ? { address, port } : undefined;
}
