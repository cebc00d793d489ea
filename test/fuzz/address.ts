/** Fuzz target: addresses in one line. Each is refused with what was expected, or stands for plain configuration. */
import { AddressError, parseAddress, type Plain, SCHEMES, splitWords } from '../../common/address.ts';
import { decodeConfig } from '../../config/decode.ts';
import { mutations, texts } from './inputs.ts';

export const inputs = mutations(
  texts(
    'udp-listen:5000,bind=127.0.0.1',
    'ws://127.0.0.1:16000/path',
    'jsonsocket+udp://[::1]:5000',
    'exec:"cat -u" \'a b\' c\\ d',
    'tls:host:443,verify=0,ca=/x,alpn=h2',
    'unix:/tmp/a\\,b,mode=0660',
    'system:cat | wc',
    '-',
    '/tmp/x',
  ),
  [...SCHEMES.flatMap(({ names }) => names), ':', '://', ',', '=', '[', ']', '"', "'", '\\', '.', '__proto__', 'tls'],
);

export function fuzz(data: Buffer): void {
  const text = data.toString();
  splitWords(text);
  const address = refused(() => parseAddress(text));
  if (address === undefined) return;
  const spec = refused(() => address.toListener());
  const cluster = refused(() => address.toCluster());
  if (spec) decoded({ listeners: [{ spec, rules: [] }] });
  if (cluster) decoded({ clusters: [cluster] });
}

function refused<T>(attempt: () => T): T | undefined {
  try {
    return attempt();
  } catch (error) {
    if (error instanceof AddressError) return undefined;
    throw error;
  }
}

/** What it stands for is JSON that the decoder takes, or refuses with a place for each fault. */
function decoded(config: Plain): void {
  for (const { path } of decodeConfig(JSON.parse(JSON.stringify(config))).faults) {
    if (path === '') throw new Error('expected the place of a fault');
  }
}
