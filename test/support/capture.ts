/** `l7mp tap` that runs, and Wireshark's command line, which reads what it has written. */
import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { L7MP, type ProxyProcess } from './command.ts';
import { Peer } from './peer.ts';
import { until } from './until.ts';

/** A tap as the REST API shows it. */
export interface ShownTap {
  readonly id: number;
  readonly request: { readonly listener?: string; readonly session?: string };
  readonly messages: number;
  readonly bytes: number;
  readonly dropped: { readonly messages: number };
}

export const tapsOf = async (proxy: ProxyProcess): Promise<ShownTap[]> =>
  JSON.parse((await proxy.get('/api/v1/taps')).text) as ShownTap[];

/** Starts `l7mp tap`, and resolves when the proxy has the tap. */
export async function startTap(proxy: ProxyProcess, name: string, ...args: string[]): Promise<Peer> {
  const known = new Set((await tapsOf(proxy)).map(({ id }) => id));
  const peer = new Peer(L7MP, ['tap', name, '--api', proxy.api, ...args]);
  try {
    await until('the tap', async () => (await tapsOf(proxy)).some(({ id }) => !known.has(id)));
    return peer;
  } catch (error) {
    await peer.stop();
    throw new Error(`the tap did not start: ${peer.stderr}`, { cause: error });
  }
}

/** Ends it as a user does, and gives what it says then. */
export async function endTap(tap: Peer): Promise<string> {
  tap.signal('SIGINT');
  expect(await tap.exit, tap.stderr).to.equal(0);
  return tap.stderr;
}

/** Fields of the packets of a file that a filter lets through. Checksums are checked. */
export function tshark(file: string, fields: readonly string[], filter = '', ...args: string[]): string[][] {
  const checks = ['tcp.check_checksum:TRUE', 'udp.check_checksum:TRUE', 'ip.check_checksum:TRUE'];
  const words = [
    ...['-r', file, '-n', '-T', 'fields', '-E', 'separator=/t', '-E', 'occurrence=a'],
    ...checks.flatMap((check) => ['-o', check]),
    ...fields.flatMap((field) => ['-e', field]),
    ...(filter === '' ? [] : ['-Y', filter]),
    ...args,
  ];
  const text = execFileSync('tshark', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t'));
}

/** What was said in a TCP stream of a file, in one direction: 0 is that of who began. */
export function said(file: string, stream: number, direction: 0 | 1): Buffer {
  const rows = tshark(file, ['tcp.srcport', 'tcp.payload'], `tcp.stream == ${stream}`);
  const first = rows[0]?.[0];
  const hex = rows.filter(([port]) => (port === first) === (direction === 0)).map(([, payload = '']) => payload);
  return Buffer.from(hex.join('').replaceAll(':', ''), 'hex');
}

/** What is no packet's that is sound. */
const FAULTS = [
  '_ws.malformed',
  'tcp.analysis.lost_segment',
  'tcp.analysis.ack_lost_segment',
  'tcp.analysis.retransmission',
  'tcp.analysis.out_of_order',
];
/** 0 is bad, 1 is good. */
const CHECKSUMS = ['ip.checksum.status', 'tcp.checksum.status', 'udp.checksum.status'];

/** Nothing in the file is malformed, has a wrong checksum, or is missing, as far as Wireshark can tell. */
export function expectSound(file: string, ...args: string[]): void {
  const rows = tshark(file, [...FAULTS, ...CHECKSUMS, '_ws.col.Info'], '', ...args);
  const isWrong = (row: string[]): boolean => {
    const sums = row.slice(FAULTS.length, FAULTS.length + CHECKSUMS.length);
    return (
      row.slice(0, FAULTS.length).some((fault) => fault !== '') || sums.some((sum) => sum.split(',').includes('0'))
    );
  };
  expect(rows.filter(isWrong)).to.deep.equal([]);
  expect(rows, 'packets').to.not.deep.equal([]);
}
