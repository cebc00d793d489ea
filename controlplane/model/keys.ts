/**
 * Where things are in the store:
 *
 *     live/head                     the number of the last version; every change of what is live is conditional on it
 *     live/objects/KIND/NAME        an object
 *     live/rollouts/ID              a rollout
 *     live/candidates/ID/KIND/NAME  an object as the rollout will leave it
 *     history/NUMBER                a version: who, when, why, and which objects
 *     history/NUMBER/PART           what its objects were before and after it
 *     status/REPLICA/PART           what a replica sees of its proxies
 *
 * A kind may be a type URL: its slashes are escaped. A name comes last and stands as it is.
 */
import type { ObjectKey } from '../../gen/messages.ts';

export const LIVE = 'live/';
export const HEAD = 'live/head';
export const OBJECTS = 'live/objects/';
export const ROLLOUTS = 'live/rollouts/';
export const CANDIDATES = 'live/candidates/';
export const HISTORY = 'history/';
export const STATUS_PREFIX = 'status/';

/** In bytes: what a store takes as a key leaves so much. */
export const MAX_NAME_BYTES = 512;
export const MAX_KIND_BYTES = 200;

export function objectKey({ kind, name }: ObjectKey): string {
  return `${OBJECTS}${encodeURIComponent(kind)}/${name}`;
}

function candidatesOf(rollout: string): string {
  return `${CANDIDATES}${rollout}/`;
}

export function candidateKey(rollout: string, { kind, name }: ObjectKey): string {
  return `${candidatesOf(rollout)}${encodeURIComponent(kind)}/${name}`;
}

export function rolloutKey(id: string): string {
  return `${ROLLOUTS}${id}`;
}

/** In the order of their numbers. */
export function versionKey(number: number): string {
  return `${HISTORY}${String(number).padStart(16, '0')}`;
}

export function versionPartKey(number: number, part: number): string {
  return `${versionKey(number)}/${String(part).padStart(6, '0')}`;
}
