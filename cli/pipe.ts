/** `l7mp pipe A B`: a proxy out of two addresses. */
import { decodeConfig } from '../config/decode.ts';
import { type Address, parseAddress, type Plain } from '../common/address.ts';
import { type Fault, FaultsError, ProxyError } from '../common/errors.ts';
import type { ConfigSnapshot } from '../config/snapshot.ts';
import type { LogFields } from '../common/log.ts';
import type { SessionView } from '../dataplane/core/session.ts';
import { createProxy } from '../dataplane/main.ts';
import { createLogger } from '../common/telemetry/log.ts';
import { EXIT, UsageError } from './exit.ts';
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
  const { from, to, config } = fromCommandLine(a, b, options);
  const once = options.once === true || from.protocol === 'Stdio' || to.protocol === 'Stdio';
  let failed: SessionView | undefined;
  let end: () => void = () => undefined;
  const first = new Promise<void>((resolve) => (end = resolve));
  // `l7mp pipe … | head`: a reader that has seen enough is no failure.
  const reader = { left: false };
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    reader.left ||= error.code === 'EPIPE';
  });
  const log = createLogger(options.verbose ? 'debug' : 'warn', 'stderr');
  const running = await createProxy({
    config,
    api: false,
    log,
    onSessionEnd: (session) => {
      if (options.verbose) log.info(summary(session), 'session ended');
      if (!once) return;
      if (session.reason !== 'OK' && session.reason !== 'IDLE_TIMEOUT') failed = session;
      end();
    },
  }).catch((error: unknown) => {
    if (!(error instanceof FaultsError)) throw error;
    throw new ProxyError('INVALID_CONFIG', describe(error.faults, from, options).join('\nl7mp: '));
  });
  const stop = stopped(running, 2000);
  // Who reads this may send a signal at once.
  log.info({ listening: running.addressOf('pipe') }, 'ready');
  if (!once) {
    await stop;
    return;
  }
  await Promise.race([first, stop]);
  await running.close();
  if (failed && failed.reason !== 'DRAINED' && !reader.left) {
    console.error(`l7mp: ${failed.events.findLast(({ event }) => event === 'END')?.message ?? failed.reason ?? ''}`);
    process.exitCode = EXIT.failed;
  }
  // Standard input may still be open: nobody reads it any more.
  process.stdin.destroy();
}

/** What `-v` tells of a session. */
function summary({ name, reason, elapsed, counters, events }: SessionView): LogFields {
  return {
    session: name,
    reason,
    bytes_in: counters.ingress.bytes,
    bytes_out: counters.egress.bytes,
    duration_ms: Math.round(elapsed),
    events: events.map(({ event, message }) => `${event}: ${message}`),
  };
}

interface CommandLine {
  readonly from: NamedAddress;
  readonly to: NamedAddress;
  readonly config: ConfigSnapshot;
}

/** An address, and how it was written. */
type NamedAddress = Address & { readonly text: string };

/** @throws UsageError with all that is wrong. */
function fromCommandLine(a: string, b: string, options: PipeOptions): CommandLine {
  try {
    const [from, to] = places({ ...parseAddress(a), text: a }, { ...parseAddress(b), text: b });
    const { value: config, faults } = decodeConfig(pipeConfig(from, to, options));
    if (config === undefined) throw new UsageError(...describe(faults, from, options, to));
    return { from, to, config };
  } catch (error) {
    throw error instanceof ProxyError ? new UsageError(error.message) : error;
  }
}

/** The one that sessions can come from first: `tcp:host:80 -` is `- tcp:host:80`, and so is `- tcp-listen:80`. */
function places(a: NamedAddress, b: NamedAddress): readonly [from: NamedAddress, to: NamedAddress] {
  if (a.protocol === 'Stdio' && b.protocol === 'Stdio') {
    throw new UsageError('expected standard input and output once, found it as A and as B');
  }
  if (a.role === b.role && a.role !== 'either') {
    const [both, instead] =
      a.role === 'connect' ? ['connect', 'a listener, as in tcp-listen:5000'] : ['listen', 'connect'];
    throw new UsageError(
      `expected one address that sessions come from and one where they go, found "${a.scheme}" and "${b.scheme}", ` +
        `which both ${both}; make one ${instead}`,
    );
  }
  const wantsSwap = a.role === 'connect' || b.role === 'listen' || (a.role === 'either' && b.protocol === 'Stdio');
  return wantsSwap ? [b, a] : [a, b];
}

/** Where the route stands in what `pipeConfig` makes. */
const ROUTE = 'listeners[0].rules[0].action.route.';

/** Faults in the words of the command line: nobody has written the configuration that they are found in. */
function describe(faults: readonly Fault[], from: NamedAddress, options: PipeOptions, to = from): string[] {
  const stages = (kind: 'ingress' | 'egress'): [path: string, words: string][] =>
    (options[kind] ?? []).flatMap((text, index) => [
      [`${ROUTE}${kind}[${index}].spec`, `address "${text}"`],
      [`${ROUTE}${kind}[${index}]`, `address "${text}"`],
    ]);
  const words: readonly (readonly [path: string, words: string])[] = [
    ['listeners[0].spec', `address "${from.text}"`],
    ['listeners.pipe', `address "${from.text}"`],
    [`${ROUTE}destination.endpoints[0].spec`, `address "${to.text}"`],
    [`${ROUTE}destination.spec`, `address "${to.text}"`],
    ...stages('ingress'),
    ...stages('egress'),
    [`${ROUTE}timeouts.idle`, '--idle-timeout'],
    [`${ROUTE}timeouts.half_close`, '--half-close'],
    [`${ROUTE}retry.num_retries`, '--retry'],
  ];
  return faults.map(({ path, expected, found }) => {
    const [prefix, where] = words.find(([start]) => path.startsWith(start)) ?? ['', ''];
    const option = path.slice(prefix.length).replace(/^\./u, '');
    return [where, option && (where ? `option ${option}` : option), `expected ${expected}, found ${found}`]
      .filter((part) => part !== '')
      .join(': ');
  });
}

function pipeConfig(from: Address, to: NamedAddress, options: PipeOptions): Plain {
  const stages = (addresses: readonly string[] = []): Plain[] =>
    addresses.map((each) => parseAddress(each).toCluster());
  const framing = options.framing === undefined ? {} : { framing: options.framing };
  const timeouts: Plain = { half_close: options.halfClose ?? 500 };
  if (options.idleTimeout !== undefined) timeouts['idle'] = options.idleTimeout;
  const route: Plain = {
    destination: { name: to.text, ...to.toCluster(), ...framing },
    ingress: stages(options.ingress),
    egress: stages(options.egress),
    timeouts,
  };
  if (options.retry !== undefined) route['retry'] = { retry_on: 'always', num_retries: options.retry };
  return {
    listeners: [{ name: 'pipe', spec: from.toListener(), rules: [{ action: { route } }], options: framing }],
  };
}
