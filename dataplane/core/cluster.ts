/** The cluster as the pipeline sees it. Types only. */
import type { Cluster } from '../../gen/l7mp/config/v1/types.ts';
import type { ProxyError } from '../../common/errors.ts';
import type { TraceContext } from '../../common/telemetry/trace-context.ts';
import type { Flow } from './offload.ts';
import type { Metadata } from './session.ts';
import type { Stream } from './stream.ts';
import type { AttemptSpan } from './trace.ts';

/** Asks a cluster for a stream of one session. */
export interface OpenRequest {
  readonly session: string;
  readonly metadata: Metadata;
  /** The most time this attempt may take, in ms. */
  readonly timeout: number;
  /** Whether this is a retry: those have a limit of their own. */
  readonly retry: boolean;
  /** See `ConnectRequest.altered`. */
  readonly altered: boolean;
  /** Endpoints that the session has tried already: others are preferred. The one that is picked is added. */
  readonly tried?: Set<string> | undefined;
  /** By its `hashKey`, the endpoint to pick where it may be picked and was not tried: the client's token leads there. */
  readonly preferred?: string | undefined;
  /** Of a session that goes on from before: the endpoint at its remote end alone, from its local end. */
  readonly flow?: Flow | undefined;
  /** See `ConnectRequest.trace`. */
  readonly trace?: TraceContext | undefined;
  /** Told of the endpoint that is picked. */
  readonly span?: Pick<AttemptSpan, 'picked' | 'ids'> | undefined;
}

/** A connected stage. */
export interface Opened {
  readonly stream: Stream;
  readonly endpoint: {
    readonly name: string;
    readonly address: string;
    readonly port?: number;
    /** See `Candidate.hashKey`. */
    readonly hashKey: string;
  };
  /** The head of an answer came, in words of HTTP. */
  answered(status: number): void;
  /** Once, when the session has done with it: with the error where the endpoint failed. */
  release(error?: ProxyError): void;
}

/** An attempt under way. */
export interface Opening {
  readonly opened: Promise<Opened>;
  /** Ends the attempt; `opened` rejects. */
  abort(error: ProxyError): void;
}

/** A live cluster. */
export interface ClusterHandle {
  readonly config: Cluster;
  /** See `Connector.transparent`. */
  readonly transparent: boolean;
  /** The endpoint is chosen, its limits are checked, and its protocol connects, all within `timeout`. */
  open(request: OpenRequest): Opening | Opened;
  /** Whether there is an endpoint to pick beside these. */
  hasOther(tried: ReadonlySet<string>): boolean;
}
