/** How the figures of a control plane grow with its proxies and its resources. */
import type { Contender } from '../contenders.ts';
import { type FleetOptions, type FleetResult, measureFleet, NAMES } from './fleet.ts';

type Size = Pick<FleetOptions, 'proxies' | 'resources' | 'names'>;

/** Proxies with names of their own, proxies with all of fewer resources, and resources. */
const SIZES: readonly Size[] = [
  ...[250, 500, 1000, 2000, 4000].map((proxies) => ({ proxies, resources: 10_000, names: NAMES })),
  ...[250, 500, 1000, 2000, 4000].map((proxies) => ({ proxies, resources: 1000, names: 0 })),
  ...[1000, 10_000, 100_000].map((resources) => ({ proxies: 250, resources, names: NAMES })),
  ...[1000, 10_000, 100_000].map((resources) => ({ proxies: 50, resources, names: 0 })),
];
const QUICK: readonly Size[] = [
  { proxies: 50, resources: 100, names: NAMES },
  { proxies: 50, resources: 100, names: 0 },
];

/** One row of the table. */
export interface GrowthLine extends Size, Partial<FleetResult> {
  readonly name: 'xds-growth';
  readonly contender: string;
  /** Why there are no figures. */
  readonly failure?: string;
}

/** Measures every size once, one contender after the other. */
export async function* measureGrowth(
  contenders: readonly Contender[],
  directory: string,
  quick: boolean,
): AsyncGenerator<GrowthLine> {
  for (const size of quick ? QUICK : SIZES) {
    for (const { name, command } of contenders) {
      const server = command('xds', directory);
      if (server === undefined) continue;
      const row = { name: 'xds-growth', contender: name, ...size } as const;
      try {
        yield { ...row, ...(await measureFleet({ server, ...size, changes: 3, reconnect: true })) };
      } catch (error) {
        yield { ...row, failure: error instanceof Error ? error.message : String(error) };
      }
    }
  }
}

/** All rows as a table for people. */
export function formatGrowth(lines: readonly GrowthLine[]): string {
  const head = ['server', 'proxies', 'resources', 'names', 'first ms', 'last ACK ms', 'reconnect ms', 'MB', 'CPU ms'];
  const rows = lines.map((line) => [
    line.contender,
    String(line.proxies),
    String(line.resources),
    line.names === 0 ? '*' : String(line.names),
    ...[line.firstStateMs, line.lastAckMs, line.reconnectMs, line.peakMb, line.changeCpuMs].map((value) =>
      value === undefined ? '-' : value.toFixed(0),
    ),
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  return [head, ...rows]
    .map((row) => row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  '))
    .join('\n');
}
