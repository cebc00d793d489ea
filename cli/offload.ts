/** `l7mp offload`: which sessions the kernel relays, and why others not. */
import { type ApiOptions, get } from './api.ts';
import { size } from './sessions.ts';
import { formatTable } from './table.ts';

export interface OffloadOptions extends ApiOptions {
  readonly output: 'table' | 'json';
}

interface ApiEngine {
  readonly enabled: boolean;
  readonly reason?: string;
  readonly attachment?: string;
  readonly interfaces?: readonly string[];
  readonly flows?: number;
  readonly capacity?: number;
}

/** As the REST API shows it. */
interface ApiOffload extends ApiEngine {
  readonly tcp?: ApiEngine;
  readonly handovers: number;
  readonly handbacks: number;
  readonly refusals: Readonly<Record<string, number>>;
  readonly sessions: readonly {
    readonly session: string;
    readonly listener: string;
    readonly rate: number;
    readonly packets: number;
    readonly bytes: number;
    readonly state: 'kernel' | 'user';
    readonly reason?: string;
  }[];
}

export async function offload(options: OffloadOptions): Promise<void> {
  const found = await get<ApiOffload>(options, '/api/v1/offload');
  if (options.json || options.output === 'json') console.log(JSON.stringify(found, null, 2));
  else process.stdout.write(describe(found));
}

function describe({ tcp, refusals, sessions, handovers, handbacks, ...udp }: ApiOffload): string {
  if (!udp.enabled && !tcp?.enabled) return `${describeEngine(udp)}\n`;
  const refused = Object.entries(refusals).map(([name, count]) => `${count} ${name}`);
  const head = [
    describeEngine(udp),
    ...(tcp ? [`TCP: ${describeEngine(tcp)}`] : []),
    `${handovers} given to the kernel, ${handbacks} taken back`,
    ...(refused.length > 0 ? [`refused: ${refused.join(', ')}`] : []),
  ];
  const rows = sessions
    .toSorted((one, other) => other.rate - one.rate)
    .map(({ session, listener, rate, packets, bytes, state, reason: why }) => [
      session,
      listener,
      `${rate}/s`,
      String(packets),
      size(bytes),
      why === undefined ? state : `${state}: ${why}`,
    ]);
  const table = formatTable(['SESSION', 'LISTENER', 'RATE', 'PACKETS', 'BYTES', 'STATE'], rows);
  return `${head.join('\n')}\n${rows.length > 0 ? table : ''}`;
}

function describeEngine({ enabled, reason = '', ...found }: ApiEngine): string {
  if (!enabled) return `off: ${reason}`;
  const { attachment = '', interfaces = [], flows = 0, capacity = 0 } = found;
  const where = interfaces.length > 0 ? ` at ${interfaces.join(', ')}` : '';
  return `on, by ${attachment}${where}: ${flows} of ${capacity} sessions`;
}
