/** `npm run bench`: our proxy beside a bare relay (and, with --peers, beside others), one JSON object a line. */
import { parseArgs } from 'node:util';
import { dashboard } from './cases/dashboard.ts';
import { connections, http, http2 } from './cases/http.ts';
import { kubernetes } from './cases/kubernetes.ts';
import { memory } from './cases/memory.ts';
import { offloadTcp } from './cases/offload-tcp.ts';
import { offloadUdp } from './cases/offload-udp.ts';
import { startup } from './cases/startup.ts';
import { tcp } from './cases/tcp.ts';
import { telemetryHttp, telemetryTcp, telemetryUdp } from './cases/telemetry.ts';
import { udp } from './cases/udp.ts';
import { websocket } from './cases/websocket.ts';
import { xds } from './cases/xds.ts';
import { CONTENDERS, PEERS } from './contenders.ts';
import { Lab } from './lab.ts';
import type { Benchmark } from './measurement.ts';
import { formatGrowth, type GrowthLine, measureGrowth } from './xds/growth.ts';
import { formatTable, type Line } from './report.ts';
import { failures, runBenchmark } from './rounds.ts';

const BENCHMARKS: readonly Benchmark[] = [
  udp,
  offloadUdp,
  offloadTcp,
  tcp,
  connections,
  http,
  http2,
  websocket,
  memory,
  startup,
  telemetryHttp,
  telemetryTcp,
  telemetryUdp,
  xds,
  kubernetes,
  dashboard,
];

const HELP = `Usage: npm run bench -- [options] [${BENCHMARKS.map(({ name }) => name).join('|')} ...]

Measures the proxy beside a bare Node.js relay, the discovery service (xds) beside go-control-plane, the control plane of a
cluster (kubernetes) and frames of the dashboard by themselves, and the proxy that exports traces, metrics and logs beside one that does not (telemetry). Prints one JSON object a line; a table goes to standard error.
Needs root, and what scripts/setup-bench.sh installs. A name stands for all that begin with it: offload for
offload-udp and offload-tcp.

  --peers        also measure Envoy, HAProxy, nginx and socat (scripts/setup-bench.sh --peers)
  --repeats N    take the medians of N (default: 3; connections: 11, http: 7, telemetry: 5, xds
                 kubernetes and dashboard: 1)
  --growth       only how the discovery service does with 250 to 4,000 proxies and 1,000 to 100,000 resources: tables
                 without bars, some minutes
  --quick        one short repeat, to see that everything works: its figures mean nothing
  --help

Exits with 1 where a bar is missed, and with 2 where something could not be measured.
`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    peers: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    growth: { type: 'boolean', default: false },
    repeats: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
/** `offload` asks for `offload-udp` and `offload-tcp`. */
const asksFor = (word: string, { name }: Benchmark): boolean => word === name || name.startsWith(`${word}-`);
const unknown = positionals.filter((word) => !BENCHMARKS.some((benchmark) => asksFor(word, benchmark)));
const asked = options.repeats ?? (options.quick ? '1' : undefined);
const repeats = asked === undefined ? undefined : Number(asked);
if (options.help || unknown.length > 0 || (repeats !== undefined && !(repeats >= 1))) {
  if (unknown.length > 0) console.error(`unknown benchmark: ${unknown.join(', ')}\n`);
  process.stderr.write(HELP);
  process.exit(options.help ? 0 : 2);
}

const lab = new Lab();
if (options.growth) {
  const rows: GrowthLine[] = [];
  for await (const row of measureGrowth(CONTENDERS, lab.directory, options.quick)) {
    console.log(JSON.stringify(row));
    rows.push(row);
  }
  lab.close();
  console.error(`\n${formatGrowth(rows)}`);
  process.exit(rows.some(({ failure }) => failure !== undefined) ? 2 : 0);
}
const settings = { contenders: options.peers ? [...CONTENDERS, ...PEERS] : CONTENDERS, repeats, quick: options.quick };
const lines: Line[] = [];
for (const benchmark of BENCHMARKS) {
  if (positionals.length > 0 && !positionals.some((word) => asksFor(word, benchmark))) continue;
  for (const line of await runBenchmark(lab, benchmark, settings)) {
    console.log(JSON.stringify(line));
    lines.push(line);
  }
}
lab.close();
console.error(`\n${formatTable(lines)}`);
process.exit(failures() > 0 ? 2 : lines.some((line) => line.pass === false) ? 1 : 0);
