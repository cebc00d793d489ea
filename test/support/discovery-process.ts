/** Discovery services in processes of their own, to be told what to serve, to be killed, and to be started again. */
import { join } from 'node:path';
import { JsonProcess } from './json-process.ts';
import type { GivenResource } from './view-server.ts';

/** What was heard of a type. */
export interface TypeCounts {
  readonly acks: number;
  readonly nacks: number;
  /** Of the last NACK. */
  readonly message: string;
  readonly variant: string;
  /** Versions that requests said they had; of go-control-plane only. */
  readonly initial?: number;
  /** Of go-control-plane only. */
  readonly requests?: number;
}

const XDS_SERVER = join('.cache', 'gobin', 'xds-server');

const COMMANDS = {
  l7mp: (port: number) => [process.execPath, '--import', 'tsx/esm', 'test/support/view-server.ts', String(port)],
  'go-control-plane': (port: number) => [XDS_SERVER, '-listen', `127.0.0.1:${port}`],
  /** State of the world only. */
  'go-control-plane-sotw': (port: number) => [XDS_SERVER, '-sotw', '-listen', `127.0.0.1:${port}`],
} as const;

export class DiscoveryProcess {
  readonly port: number;
  readonly process: JsonProcess;

  private constructor(process: JsonProcess, port: number) {
    this.process = process;
    this.port = port;
  }

  /** Starts ours, or another. `port` 0: any. `runner`: what runs it, as in `ip netns exec NAME`. */
  static async start(who: keyof typeof COMMANDS, port = 0, runner: readonly string[] = []): Promise<DiscoveryProcess> {
    const made = new JsonProcess([...runner, ...COMMANDS[who](port)]);
    const listening = await made.next<{ port: number }>('listening');
    return new DiscoveryProcess(made, listening.port);
  }

  /** A type has these and no others. */
  async set(typeUrl: string, ...resources: readonly GivenResource[]): Promise<void> {
    await this.process.ask({ op: 'set', type_url: typeUrl, resources });
  }

  async update(typeUrl: string, ...resources: readonly GivenResource[]): Promise<void> {
    await this.process.ask({ op: 'update', type_url: typeUrl, resources });
  }

  async remove(typeUrl: string, ...names: readonly string[]): Promise<void> {
    await this.process.ask({ op: 'remove', type_url: typeUrl, names });
  }

  /** Resources of several types change as a whole; of ours only. */
  async change(resources: readonly GivenResource[], removed: readonly GivenResource[] = []): Promise<void> {
    const keys = removed.map(({ type_url, name }) => ({ type_url, name }));
    await this.process.ask({ op: 'change', resources, removed: keys });
  }

  /** Clients have to connect again. */
  async endStreams(): Promise<void> {
    await this.process.ask({ op: 'end-streams' });
  }

  async counts(typeUrl: string): Promise<TypeCounts> {
    const { types } = await this.process.ask<{ types: Record<string, TypeCounts> }>({ op: 'counts' }, 'counts');
    return types[typeUrl] ?? { acks: 0, nacks: 0, message: '', variant: '' };
  }

  stop(): Promise<void> {
    return this.process.stop();
  }
}
