/** Kernel offload: flows of packets that the kernel relays by itself. Types only. */
import type { Socket } from 'node:net';

/** One side of a session as packets see it, from the proxy: IP addresses as text (no zone, no brackets). */
export interface Flow {
  readonly transport: 'udp' | 'tcp';
  readonly local: { readonly address: string; readonly port: number };
  readonly remote: { readonly address: string; readonly port: number };
}

/** Packets from `client.remote` to `client.local` leave from `upstream.local` to `upstream.remote`, and back. */
export interface FlowPair {
  /** Unique while it is there. */
  readonly id: number;
  readonly client: Flow;
  readonly upstream: Flow;
  /** Kept beside it, where pairs outlive the process. */
  readonly note?: SessionNote | undefined;
}

/** What another process has to know of a pair's session, to go on with it. */
export interface SessionNote {
  readonly name: string;
  readonly listener: string;
  readonly route: string;
  readonly cluster: string;
  /** In ms since the epoch. */
  readonly startedAt: number;
  /** All that has passed, but what the pair's flows have counted; and what of that the kernel had relayed before. */
  readonly passed: { readonly ingress: CountedTraffic; readonly egress: CountedTraffic };
  readonly relayed: { readonly ingress: FlowTraffic; readonly egress: FlowTraffic };
}

/** A pair that an earlier process has left in the kernel, with what it has relayed. */
export interface LeftPair extends FlowPair {
  readonly note: SessionNote;
  readonly traffic: PairTraffic;
}

/** Both sides of a session. */
export interface FlowEnds extends Pick<FlowPair, 'client' | 'upstream'> {
  /** Of connections. */
  readonly sockets?: { readonly client: Socket; readonly upstream: Socket };
}

/** What the kernel relayed: `bytes` are those of payloads. */
export interface FlowTraffic {
  readonly packets: number;
  readonly bytes: number;
}

/** What has passed of a session in one direction, and what was dropped. */
export interface CountedTraffic extends FlowTraffic {
  readonly dropped: number;
}

/** Traffic of a pair since it was put in. */
export interface PairTraffic {
  readonly fromClient: FlowTraffic;
  readonly fromUpstream: FlowTraffic;
  /** When a packet was last relayed, in ms of the monotonic clock (`performance.now()` scale); undefined: never. */
  readonly lastSeen: number | undefined;
}

/** Why the kernel can't take a pair, as a code for metrics and a sentence for people. */
export interface OffloadRefusal {
  readonly reason:
    // The engine's:
    | 'unsupported'
    | 'table-full'
    | 'no-route'
    | 'no-neighbour'
    | 'mtu'
    | 'interface'
    | 'address-family'
    | 'error'
    // The session's: it is neither UDP nor TCP on both sides, something stands between them, it is to be connected
    // again when it breaks, it isn't connected.
    | 'protocol'
    | 'transform'
    | 'retry'
    | 'mirror'
    | 'rate-limit'
    | 'fault'
    | 'state'
    // Somebody looks at what passes.
    | 'tap'
    // A hotter session took its place.
    | 'displaced';
  readonly message: string;
}

/** Which way the packets of a session take. */
export interface OffloadView {
  readonly state: 'kernel' | 'user';
  /** Why not the kernel's, or why it has no session, as a sentence. */
  readonly reason?: string;
}

/** A session that is in the kernel, or was refused. */
export interface OffloadedSession extends OffloadView {
  readonly session: string;
  readonly listener: string;
  /** Packets a second of late, in both directions and on both ways. */
  readonly rate: number;
  /** What the kernel has relayed of it, in both directions. */
  readonly packets: number;
  readonly bytes: number;
}

/** What relays, and how much. */
export interface EngineView {
  readonly attachment: string;
  readonly interfaces: readonly string[];
  readonly flows: number;
  readonly capacity: number;
}

/** Kernel offload of the whole proxy. */
export interface OffloadStatus {
  /** Of datagrams. Undefined where nothing is offloaded; `reason` says why then. */
  readonly engine?: EngineView | undefined;
  readonly reason?: string | undefined;
  /** Likewise, of TCP connections. */
  readonly connections?: Pick<OffloadStatus, 'engine' | 'reason' | 'handovers'>;
  /** Of both: sessions that were given to the kernel, or taken on in it, and those of them that user space took back before they ended. */
  readonly handovers: number;
  readonly handbacks: number;
  /** Sessions that were kept out or thrown out, by reason. */
  readonly refusals: ReadonlyMap<string, number>;
  /** Made when it is asked for. */
  sessions(): readonly OffloadedSession[];
}

export interface OffloadEngine {
  /** As in `tcx` or `clsact`. */
  readonly attachment: string;
  /** Puts a pair in. It never throws: a refusal says why the pair stays in user space. */
  insert(pair: FlowPair): OffloadRefusal | undefined;
  /** Takes a pair out; packets reach the sockets again. Gives its last traffic; undefined where it isn't there. */
  remove(id: number): PairTraffic | undefined;
  /** Traffic of all pairs, read in batches; meant for once a second. */
  read(): ReadonlyMap<number, PairTraffic>;
  /** Called with pairs that the engine had to take out by itself (an interface or a route is gone), with their last traffic. */
  onEvicted(handler: (id: number, traffic: PairTraffic, why: OffloadRefusal) => void): void;
  readonly stats: { readonly flows: number; readonly capacity: number; readonly interfaces: readonly string[] };
  /** Undefined: pairs end with the process. */
  readonly kept?: KeptPairs | undefined;
  /** Detaches everything; nothing is left behind, but pairs that are kept. */
  close(): void;
}

/** Pairs that stay in the kernel when the process ends. */
export interface KeptPairs {
  /** What an earlier process had left as this one began, under ids below zero. They are followed, and evicted, as all others are. */
  readonly left: readonly LeftPair[];
  /** False: it is not there any more. */
  rename(id: number, next: number): boolean;
  /** @throws ProxyError where it can't be kept */
  note(id: number, note: SessionNote): void;
}
