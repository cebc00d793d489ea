/** What tests of OTLP stand on: a collector, proxies that export to it, and a directory. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProxyProcess } from '../../../support/command.ts';
import { OtelCollector } from '../../../support/otel-collector.ts';

/** What is recorded is soon told. */
const EAGER = { OTEL_BSP_SCHEDULE_DELAY: '50', OTEL_BLRP_SCHEDULE_DELAY: '50', OTEL_METRIC_EXPORT_INTERVAL: '200' };

export class Lab {
  readonly collector: OtelCollector;
  readonly directory = mkdtempSync(join(tmpdir(), 'l7mp-otel-'));
  private readonly ends: (() => unknown)[] = [];

  private constructor(collector: OtelCollector) {
    this.collector = collector;
  }

  static async start(): Promise<Lab> {
    return new Lab(await OtelCollector.start());
  }

  /** A process that ends with the test. `env`: beside what leads to the collector. */
  async proxy(
    config: object,
    env: Readonly<Record<string, string>>,
    args: readonly string[] = [],
  ): Promise<ProxyProcess> {
    const all = { OTEL_EXPORTER_OTLP_ENDPOINT: this.collector.endpoint(), ...EAGER, ...env };
    const shell = Object.entries(all).map(([key, value]) => `export ${key}='${value}';`);
    const proxy = await ProxyProcess.start(config, args, shell.join(' '));
    this.atEnd(() => proxy.stop());
    return proxy;
  }

  /** What is begun last ends first. */
  atEnd(end: () => unknown): void {
    this.ends.push(end);
  }

  async end(): Promise<void> {
    for (const end of this.ends.splice(0).reverse()) await end();
    await this.collector.stop();
    rmSync(this.directory, { recursive: true });
  }
}
