/** `l7mp pipe A B`: a proxy out of two addresses. */
import { decodeConfig } from '../dataplane/config/decode.ts';
import { type Address, parseAddress, type Plain } from '../dataplane/core/address.ts';
import { FaultsError, ProxyError } from '../dataplane/core/errors.ts';
import type { SessionView } from '../dataplane/core/session.ts';
import { createProxy } from '../dataplane/main.ts';
import { EXIT } from './exit.ts';
import { stopped } from './proxy.ts';

export interface PipeOptions {
  readonly ingress?: readonly string[];
  readonly egress?: readonly string[];
  readonly framing?: string;
  readonly retry?: number;
  readonly idleTimeout?: number;
  readonly halfClose?: number;
  readonly once?: true;
  readonly verbose?: true;
}

export async function pipe(a: string, b: string, options: PipeOptions): Promise<void> {
  const [from, to] = places(parseAddress(a), parseAddress(b));
  const { value: config, faults } = decodeConfig(pipeConfig(from, to, options));
  if (config === undefined) throw new FaultsError(faults);
  const once = options.once === true || from.protocol === 'Stdio' || to.protocol === 'Stdio';
  let failed: SessionView | undefined;
  let end: () => void = () => undefined;
  const first = new Promise<void>((resolve) => (end = resolve));
  const running = await createProxy({
    config,
    api: false,
    logLevel: options.verbose ? 'debug' : 'warn',
    onSessionEnd: (session) => {
      if (!once) return;
      if (session.reason !== 'OK' && session.reason !== 'IDLE_TIMEOUT') failed = session;
      end();
    },
  });
  if (options.verbose) running.log.info({ listening: running.addressOf('pipe') }, 'ready');
  if (!once) {
    await stopped(running, 2000);
    return;
  }
  await Promise.race([first, stopped(running, 2000)]);
  await running.close();
  if (failed && failed.reason !== 'DRAINED') {
    console.error(`l7mp: ${failed.events.findLast(({ event }) => event === 'END')?.message ?? failed.reason ?? ''}`);
    process.exitCode = EXIT.failed;
  }
  // Standard input may still be open: nobody reads it any more.
  process.stdin.destroy();
}

/** The one that sessions can come from first: `tcp:host:80 -` is `- tcp:host:80`. */
function places(a: Address, b: Address): readonly [from: Address, to: Address] {
  const wantsSwap = a.role === 'connect' || (a.role === 'either' && b.protocol === 'Stdio' && a.protocol !== 'Stdio');
  if (!wantsSwap) return [a, b];
  if (b.role === 'connect') {
    throw new ProxyError(
      'INVALID_CONFIG',
      `expected one address that sessions can come from, found "${a.scheme}" and "${b.scheme}", which both connect; ` +
        'make one a listener, as in tcp-listen:5000',
    );
  }
  return [b, a];
}

function pipeConfig(from: Address, to: Address, options: PipeOptions): Plain {
  const stages = (addresses: readonly string[] = []): Plain[] =>
    addresses.map((each) => parseAddress(each).toCluster());
  const framing = options.framing === undefined ? {} : { framing: options.framing };
  const timeouts: Plain = { half_close: options.halfClose ?? 500 };
  if (options.idleTimeout !== undefined) timeouts['idle'] = options.idleTimeout;
  const route: Plain = {
    destination: { ...to.toCluster(), ...framing },
    ingress: stages(options.ingress),
    egress: stages(options.egress),
    timeouts,
  };
  if (options.retry !== undefined) route['retry'] = { retry_on: 'always', num_retries: options.retry };
  return {
    admin: { log_file: 'stderr' },
    listeners: [{ name: 'pipe', spec: from.toListener(), rules: [{ action: { route } }], options: framing }],
  };
}
