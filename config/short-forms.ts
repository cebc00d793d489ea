/** Short ways to write objects: specs and clusters as an address in one line, endpoints as `10.0.0.1:5000`. */
import { AddressError, parseAddress, type Plain } from '../common/address.ts';
import { ProxyError } from '../common/errors.ts';
import { isPlain } from './scalars.ts';

/** What stands for the short form, or what is wrong with it. */
export type Expanded =
  | { readonly plain: Plain; readonly expected?: undefined }
  | { readonly plain?: undefined; readonly expected: string; readonly found: string };

/** `udp://0.0.0.0:5000`, or the name of a protocol that needs nothing else, as the spec of a listener. */
export function expandListenerSpec(text: string, protocols: readonly string[]): Expanded {
  return expand(text, protocols, () => parseAddress(text).toListener());
}

/** The same as a cluster: its spec, and the endpoint that the address names. */
export function expandCluster(text: string, protocols: readonly string[]): Expanded {
  const { plain, ...wrong } = expand(text, protocols, () => parseAddress(text).toCluster());
  if (plain === undefined) return wrong as Expanded;
  return { plain: 'protocol' in plain ? { spec: plain } : plain };
}

function expand(text: string, protocols: readonly string[], parse: () => Plain): Expanded {
  const protocol = protocols.find((each) => each.toLowerCase() === text.toLowerCase());
  if (protocol !== undefined) return { plain: { protocol } };
  try {
    return { plain: parse() };
  } catch (error) {
    if (error instanceof AddressError) return { expected: error.expected, found: `${error.found} in "${text}"` };
    return { expected: 'a spec, or an address in one line', found: ProxyError.from(error).message };
  }
}

/** An endpoint whose fields stand beside its name: `{address, port}` go into its spec. */
export function expandEndpoint(raw: unknown): unknown {
  if (!isPlain(raw) || raw['spec'] !== undefined || raw['address'] === undefined) return raw;
  const { address, port, bind, ...rest } = raw;
  return { ...rest, spec: { address, ...(port !== undefined && { port }), ...(bind !== undefined && { bind }) } };
}

/** The address of an endpoint with its port behind it: `10.0.0.1:5000`, `[::1]:5000`, `name:5000`; no path. */
export function expandEndpointSpec(raw: unknown): unknown {
  if (!isPlain(raw) || typeof raw['address'] !== 'string') return raw;
  const { address } = raw;
  const bare = /^\[([^\]]+)\]$/u.exec(address)?.[1];
  if (bare !== undefined) return { ...raw, address: bare };
  const [, inBrackets, name, port] = /^(?:\[([^\]]+)\]|([^:/@][^:/]*)):(\d+)$/u.exec(address) ?? [];
  if (port === undefined || raw['port'] !== undefined) return raw;
  return { ...raw, address: inBrackets ?? name, port: Number(port) };
}
