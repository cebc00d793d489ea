/** The options of `l7mp proxy` that say where its control plane is, checked. */
import { hostname } from 'node:os';
import { type Fault, formatFault } from '../common/errors.ts';
import { isLoopback } from '../common/loopback.ts';
import type { ControlPlaneOptions } from '../dataplane/xds/types.ts';
import { UsageError } from './exit.ts';

/** As commander gives them. */
export interface ControlPlaneFlags {
  readonly controlplane?: string;
  readonly controlplaneResources?: 'all' | 'endpoints';
  readonly controlplaneCa?: string;
  readonly controlplaneCert?: string;
  readonly controlplaneKey?: string;
  readonly controlplaneTokenFile?: string;
  readonly controlplanePlaintext?: boolean;
  readonly id?: string;
  readonly labels?: string;
  readonly stateDir?: string;
}

/** Undefined without a control plane. @throws UsageError with everything that is wrong. */
export function controlPlaneOf(flags: ControlPlaneFlags): ControlPlaneOptions | undefined {
  const faults: Fault[] = [];
  const servers = listOf(flags.controlplane);
  const { controlplaneCa: ca, controlplaneCert: cert, controlplaneKey: key, controlplaneTokenFile: tokenFile } = flags;
  const needs = { ca, cert, key, 'token-file': tokenFile, plaintext: flags.controlplanePlaintext || undefined };
  const labels = labelsOf(flags.labels ?? '', faults);
  if (flags.id === '') faults.push({ path: '--id', expected: 'a name', found: '""' });
  if (servers.length === 0) {
    for (const [name, value] of Object.entries(needs)) {
      if (value !== undefined) {
        faults.push({ path: `--controlplane-${name}`, expected: '--controlplane beside it', found: 'none' });
      }
    }
    if (flags.stateDir !== undefined) {
      faults.push({ path: '--state-dir', expected: '--controlplane beside it', found: 'none' });
    }
    refuse(faults);
    return undefined;
  }
  for (const server of servers) {
    const port = Number(/^(?:\[[\da-f:.]+\]|[^:/\s]+):(\d{1,5})$/iu.exec(server)?.[1] ?? 0);
    if (port < 1 || port > 65535) {
      faults.push({ path: '--controlplane', expected: 'HOST:PORT', found: JSON.stringify(server) });
    }
  }
  if ((cert === undefined) !== (key === undefined)) {
    const [has, lacks] = cert === undefined ? ['key', 'cert'] : ['cert', 'key'];
    faults.push({ path: `--controlplane-${has}`, expected: `--controlplane-${lacks} beside it`, found: 'none' });
  }
  const local = servers.every((server) => isLoopback(server.replace(/:\d*$/u, '')));
  const tls = ca !== undefined || cert !== undefined;
  const plaintext = flags.controlplanePlaintext ?? (local && !tls);
  if (plaintext && tls) {
    faults.push({ path: '--controlplane-plaintext', expected: 'no certificates beside it', found: 'some' });
  }
  if (plaintext && !local && tokenFile !== undefined) {
    faults.push({ path: '--controlplane-token-file', expected: 'TLS, off loopback', found: 'plaintext' });
  }
  refuse(faults);
  return {
    servers,
    id: flags.id ?? hostname(),
    labels,
    resources: flags.controlplaneResources ?? 'all',
    plaintext,
    ca,
    cert,
    key,
    tokenFile,
    stateDir: flags.stateDir,
  };
}

function refuse(faults: readonly Fault[]): void {
  if (faults.length > 0) throw new UsageError(...faults.map(formatFault));
}

function listOf(text = ''): string[] {
  return text.split(',').filter((each) => each !== '');
}

function labelsOf(text: string, faults: Fault[]): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const pair of listOf(text)) {
    const [, key, value] = /^([^=]+)=(.*)$/u.exec(pair) ?? [];
    if (key === undefined || value === undefined || key in labels) {
      faults.push({ path: '--labels', expected: 'KEY=VALUE, each key once', found: JSON.stringify(pair) });
    } else labels[key] = value;
  }
  return labels;
}
