/** Why an object is not accepted, or what it names is not found: reasons of conditions (docs/kubernetes/resources.md). */
import type { Verdict } from '../api/verdict.ts';

export type Reason =
  | 'Invalid'
  | 'RefNotFound'
  | 'RefNotPermitted'
  | 'RefNotAccepted'
  | 'PortRequired'
  | 'UnsupportedProtocol'
  | 'Conflicted'
  | 'Expired';

export function verdict(reason: Reason, message: string): Verdict {
  return { reason, message };
}

/** Those that are about what an object names. */
export const OF_REFERENCES: ReadonlySet<string> = new Set<Reason>([
  'RefNotFound',
  'RefNotPermitted',
  'RefNotAccepted',
  'PortRequired',
  'UnsupportedProtocol',
]);
