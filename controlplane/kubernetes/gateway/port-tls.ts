/** What a port's listeners ask of TLS: certificates by server name, and who clients are. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import { addKeyPair } from './clusters.ts';
import type { Making } from './making.ts';
import { ANY, covers } from './hostnames.ts';
import { MIN_VERSION_OPTION } from './listeners.ts';
import type { ListenerState, UsedKeyPair } from './state.ts';

/** TLS of a port, or undefined where it has none, or passes it on. */
export function tlsServer(making: Making, listeners: readonly ListenerState[]): Json | undefined {
  const { owner, output } = making;
  const encrypted = listeners.filter(({ certificates }) => certificates.length > 0);
  // Clients that name nobody, or somebody else, get the certificate of the listener that is for all.
  const fallback = encrypted.find(({ hostname }) => hostname === ANY) ?? encrypted[0];
  if (fallback?.certificates[0] === undefined) return undefined;
  const own = addKeyPair(making, fallback.certificates[0]);
  const certificates = namesOf(encrypted).map(({ names, pair }): Json => {
    const name = addKeyPair(making, pair);
    return { server_names: names, cert: name, key: name };
  });
  // All listeners of a port ask the same of clients.
  const { authorities, insecure = false } = fallback.validation ?? {};
  const ca =
    authorities === undefined
      ? undefined
      : `secret:${output.add('Secret', owner, ['clients', String(fallback.spec.port)], () => ({ ca: authorities }))}`;
  const version = encrypted.map(({ spec }) => spec.tls?.options?.[MIN_VERSION_OPTION]).includes('TLSv1.3');
  return {
    cert: own,
    key: own,
    ...(certificates.length > 0 && { certificates }),
    ...(ca !== undefined && { ca, client_certificate: insecure ? 'request' : 'require' }),
    ...(version && { min_version: 'TLSv1.3' }),
  };
}

/**
 * Which certificate is shown to whom: of each listener the first to those who ask for the listener's hostname, further ones
 * to those who ask for a name that they have themselves, and no listener has.
 */
function namesOf(listeners: readonly ListenerState[]): { readonly names: string[]; readonly pair: UsedKeyPair }[] {
  const taken = new Set<string>();
  const first = listeners.flatMap(({ hostname, certificates: [pair] }) =>
    pair === undefined || hostname === ANY ? [] : [{ names: [hostname], pair }],
  );
  const further = listeners.flatMap(({ hostname, certificates }) =>
    certificates.slice(1).map((pair) => ({ names: pair.names.filter((name) => covers(hostname, name)), pair })),
  );
  return [...first, ...further].flatMap(({ names, pair }) => {
    const free = names.filter((name) => !taken.has(name));
    for (const name of free) taken.add(name);
    return free.length === 0 ? [] : [{ names: free, pair }];
  });
}
