/** Start-up: until `/ready` answers, beside `node -e 0`; and the memory taken by then. */
import { join } from 'node:path';
import { CORES } from '../lab.ts';
import type { StartupOptions, StartupResult } from '../load/startup.ts';
import type { Benchmark } from '../measurement.ts';
import { median } from '../report.ts';

/** The REST API's, where the configuration names none. */
const ADMIN_PORT = 1234;

export const startup: Benchmark = {
  name: 'startup',
  kind: 'tcp',
  without: ['envoy', 'haproxy', 'nginx', 'socat'], // they have no /ready
  metrics: [
    { name: 'startup-ready', unit: 'ms', bar: { of: 'ratio', atMost: 6 } },
    { name: 'startup-memory', unit: 'MB', bar: { of: 'value', atMost: 90 } },
  ],
  measure: async ({ lab, contender, quick }) => {
    const isBare = contender.name === 'bare';
    const command = isBare ? [process.execPath, '-e', '0'] : (contender.command('tcp', lab.directory) ?? []);
    const options: StartupOptions = {
      command: ['taskset', '-c', CORES.proxy, ...command],
      ...(!isBare && { port: ADMIN_PORT }),
    };
    const file = join(import.meta.dirname, '../load/startup.js');
    const watch = ['taskset', '-c', CORES.client, process.execPath, file, JSON.stringify(options)];
    const results: StartupResult[] = [];
    while (results.length < (quick ? 2 : 5)) {
      results.push(JSON.parse(await lab.run('proxy', watch, 30_000)) as StartupResult);
    }
    return {
      'startup-ready': median(results.map(({ milliseconds }) => milliseconds)),
      ...(!isBare && { 'startup-memory': median(results.map(({ residentKb }) => residentKb)) / 1024 }),
    };
  },
};
