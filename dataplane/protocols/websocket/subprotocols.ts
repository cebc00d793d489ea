/**
 * The subprotocol of a session, in its metadata: `WebSocket.subprotocols` are those that the client offers and the
 * listener accepts; `WebSocket.subprotocol` is the one that the endpoint chose, where it is a WebSocket, too.
 */
import { jsonObject, type JsonObject } from '../../../common/json.ts';
import type { Metadata } from '../../core/session.ts';

/** `WebSocket` in the metadata, the most wanted first: by the listener, or by the client where it takes any. */
export function offerSubprotocols(offered: readonly string[], accepted: readonly string[]): Metadata {
  return { subprotocols: accepted.length === 0 ? [...offered] : accepted.filter((name) => offered.includes(name)) };
}

/** What the session's client offers, as far as rules left it. */
export function offeredSubprotocols(metadata: Metadata): string[] {
  const names = facts(metadata)['subprotocols'];
  return Array.isArray(names) ? [...new Set(names.filter((name) => typeof name === 'string'))] : [];
}

/** The answer to the client: what the endpoint chose, where the client offers it; else what is wanted most. */
export function chosenSubprotocol(metadata: Metadata): string | undefined {
  const offered = offeredSubprotocols(metadata);
  const chosen = facts(metadata)['subprotocol'];
  return typeof chosen === 'string' && offered.includes(chosen) ? chosen : offered[0];
}

/** Notes what the endpoint chose. */
export function noteSubprotocol(metadata: Metadata, subprotocol: string): void {
  metadata['WebSocket'] = { ...facts(metadata), subprotocol };
}

/** Rules may have written anything there. */
function facts(metadata: Metadata): Readonly<JsonObject> {
  return jsonObject(metadata['WebSocket']);
}
