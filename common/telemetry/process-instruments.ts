/** Instruments of the process itself, by the names of OpenTelemetry's semantic conventions. */
import { readdir, readFile } from 'node:fs/promises';
import type { Meter } from '@opentelemetry/api';
import { EventLoopDelays, DELAY_RESOLUTION } from './event-loop-delays.ts';

/** Runs from the first page on. */
let delays: EventLoopDelays | undefined;

/** `linesLost`: how many lines of its log were lost. */
export function observeProcess(meter: Meter, linesLost: () => number): void {
  meter
    .createObservableCounter('l7mp.log.lines.lost', {
      description: 'Lines of the log that found no room, or could not be written',
    })
    .addCallback((result) => result.observe(linesLost()));
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

/** How much later than asked the event loop comes round: of late, the same for whoever asks. */
function observeEventLoop(meter: Meter): void {
  const all = (delays ??= new EventLoopDelays());
  const gauge = (name: string, description: string) =>
    meter.createObservableGauge(`nodejs.eventloop.delay.${name}`, { description, unit: 's' });
  const p50 = gauge('p50', 'Event loop delay, median of the last minute or two');
  const p99 = gauge('p99', 'Event loop delay, 99th percentile of the last minute or two');
  const max = gauge('max', 'Event loop delay, largest of the last minute or two');
  meter.addBatchObservableCallback(
    (result) => {
      const histogram = all.recent();
      if (histogram.count === 0) return;
      const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - DELAY_RESOLUTION / 1000);
      result.observe(p50, late(histogram.percentile(50)));
      result.observe(p99, late(histogram.percentile(99)));
      result.observe(max, late(histogram.max));
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
