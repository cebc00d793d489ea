/** Instruments of the process itself, by the names of OpenTelemetry's semantic conventions. */
import { readdir, readFile } from 'node:fs/promises';
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { Meter } from '@opentelemetry/api';

/** How often the event loop's delay is sampled, in ms. */
const DELAY_RESOLUTION = 20;

/** Runs from the first page on. */
let delays: IntervalHistogram | undefined;

export function observeProcess(meter: Meter): void {
  meter
    .createObservableGauge('process.memory.usage', { description: 'Resident memory', unit: 'By' })
    .addCallback((result) => result.observe(process.memoryUsage.rss()));
  meter
    .createObservableCounter('process.cpu.time', { description: 'CPU time, by mode: user or system', unit: 's' })
    .addCallback((result) => {
      const { user, system } = process.cpuUsage();
      result.observe(user / 1e6, { 'cpu.mode': 'user' });
      result.observe(system / 1e6, { 'cpu.mode': 'system' });
    });
  meter
    .createObservableGauge('process.uptime', { description: 'Time since the process started', unit: 's' })
    .addCallback((result) => result.observe(process.uptime()));
  meter
    .createObservableGauge('process.open_file_descriptor.count', { description: 'Open descriptors' })
    .addCallback(async (result) => {
      const count = await countDescriptors();
      if (count !== undefined) result.observe(count);
    });
  meter
    .createObservableGauge('process.open_file_descriptor.limit', { description: 'Descriptors that may be open' })
    .addCallback(async (result) => {
      const limit = await descriptorLimit();
      if (limit !== undefined) result.observe(limit);
    });
  observeEventLoop(meter);
}

/** How much later than asked the event loop comes round: since the page before this one. */
function observeEventLoop(meter: Meter): void {
  if (delays === undefined) {
    delays = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION });
    delays.enable();
  }
  const histogram = delays;
  const gauge = (name: string, description: string) =>
    meter.createObservableGauge(`nodejs.eventloop.delay.${name}`, { description, unit: 's' });
  const p50 = gauge('p50', 'Event loop delay, median since the last page');
  const p99 = gauge('p99', 'Event loop delay, 99th percentile since the last page');
  const max = gauge('max', 'Event loop delay, largest since the last page');
  meter.addBatchObservableCallback(
    (result) => {
      // Reset before it has a sample, it would never have one where pages come fast.
      if (histogram.count === 0) return;
      const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - DELAY_RESOLUTION / 1000);
      result.observe(p50, late(histogram.percentile(50)));
      result.observe(p99, late(histogram.percentile(99)));
      result.observe(max, late(histogram.max));
      histogram.reset();
    },
    [p50, p99, max],
  );
}

/** Undefined where there is no /proc. The descriptor that reads the list isn't counted. */
async function countDescriptors(): Promise<number | undefined> {
  try {
    return (await readdir('/proc/self/fd')).length - 1;
  } catch {
    return undefined;
  }
}

/** The soft limit (proc(5)); undefined where there is none, or no /proc. */
async function descriptorLimit(): Promise<number | undefined> {
  try {
    const [, limit] = /^Max open files +(\d+)/mu.exec(await readFile('/proc/self/limits', 'utf8')) ?? [];
    return limit === undefined ? undefined : Number(limit);
  } catch {
    return undefined;
  }
}
