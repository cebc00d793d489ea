/** What the two variants of the protocol share. Types, and what both say. */
import type { Node, Status } from '../../gen/messages.ts';
import type { Arrival, Removed } from './intake.ts';
import type { ResourceCodec, ResourceKind } from './types.ts';

/** What a stream's protocol works with. */
export interface StreamParts {
  readonly node: Node;
  readonly codec: ResourceCodec;
  readonly send: (request: object) => void;
  /** Holds what is good, and gives what is wrong. */
  readonly take: (kind: ResourceKind, arrivals: readonly Arrival[], removed: Removed) => readonly string[];
  /** The versions that are held; of these names only, where they are given. */
  readonly versionsOf: (kind: ResourceKind, names: ReadonlySet<string> | undefined) => ReadonlyMap<string, string>;
  /** Told of each answered response. `version` is that of the whole. */
  readonly answered: (kind: ResourceKind, version: string, faults: readonly string[]) => void;
}

/** The protocol's state on one stream. */
export interface StreamProtocol {
  /** Wants these names from now on; all when undefined. */
  subscribe(kind: ResourceKind, names: ReadonlySet<string> | undefined): void;
  /** Takes a response in, and answers it. */
  handle(response: object): void;
}

/** A NACK is read by people, and travels in one message. */
const MOST_CHARACTERS = 64 * 1024;

/** google.rpc.Code INVALID_ARGUMENT, with every fault. */
export function refusal(faults: readonly string[]): Status {
  const text = faults.join('\n');
  const message = text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}\n…` : text;
  return { code: 3, message, details: [] };
}

/** The refusal of a response whose type was not asked for on its stream, whether it is known or not. */
export function notAskedFor(typeUrl: string): Status {
  return refusal([`type_url: expected a type that was asked for, found ${JSON.stringify(typeUrl)}`]);
}
