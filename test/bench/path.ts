/** The ways from the client to the server that benchmarks of kernel offload compare: through a proxy, or past it. */
import { type Lab, PROXY, type Running, SERVER } from './lab.ts';
import { type Measurement, withProxy } from './measurement.ts';
import { type Kind, PROXY_PORT, SERVER_PORT } from './route.ts';

export interface Path {
  readonly targetAddress: string;
  readonly targetPort: number;
  /** Undefined where the kernel alone relays. */
  readonly proxy?: Running;
}

/** Runs `use` while the contender's way is there. */
export async function withPath<T>(measurement: Measurement, kind: Kind, use: (path: Path) => Promise<T>): Promise<T> {
  const { lab, contender } = measurement;
  const throughProxy = { targetAddress: PROXY, targetPort: PROXY_PORT };
  switch (contender.name) {
    case 'forwarding':
      return use({ targetAddress: SERVER, targetPort: SERVER_PORT });
    case 'dnat':
      return withRules(lab, contender.command(kind, lab.directory) ?? [], () => use(throughProxy));
    default:
      return withProxy(measurement, kind, (proxy) => use({ ...throughProxy, proxy }));
  }
}

/**
 * Options of load whose server is at the other end of the client's wire: what traffic costs without anybody between. It is
 * the client's own wire, since what devices do for a sender (ethtool -k) is the same then.
 */
export function onWire(lab: Lab): object {
  return {
    serverNamespace: lab.namespace('proxy'),
    serverAddress: PROXY,
    targetAddress: PROXY,
    targetPort: SERVER_PORT,
  };
}

/** Runs `use` while nftables has the table `bench` that a command makes. */
async function withRules<T>(lab: Lab, command: readonly string[], use: () => Promise<T>): Promise<T> {
  await lab.run('proxy', command);
  try {
    return await use();
  } finally {
    await lab.run('proxy', ['nft', 'delete', 'table', 'ip', 'bench']);
  }
}
