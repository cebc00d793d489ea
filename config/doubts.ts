/** What can be configured, and will hardly do what was meant: no fault, but worth a warning. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { StdioForkCluster } from '../gen/l7mp/config/v1/types.ts';
import type { ConfigSnapshot } from './snapshot.ts';
import type { Fault } from '../common/errors.ts';
import { secretsOf } from '../common/secrets.ts';
import { danglingReferences } from './references.ts';

/** Those of a whole configuration, on this machine; `managed`: it is run with a control plane. */
export function doubts(snapshot: ConfigSnapshot, managed = false): Fault[] {
  const found = danglingReferences(snapshot);
  const controlPlane = (path: string, what: string): void => {
    if (!managed) found.push({ path, expected: 'to be run with a control plane', found: what });
  };
  for (const [name, { value }] of snapshot.listeners) {
    for (const secret of secretsOf(value.spec)) controlPlane(`listeners.${name}.spec.tls`, `secret:${secret}`);
  }
  for (const [name, { value }] of snapshot.clusters) {
    const { spec, discovery, loadbalancer, health_check: check } = value;
    const path = `clusters.${name}`;
    for (const secret of secretsOf(spec)) controlPlane(`${path}.spec.tls`, `secret:${secret}`);
    if (discovery) controlPlane(`${path}.discovery`, 'discovery');
    if (spec.protocol === 'StdioFork' && !isThere(spec)) {
      found.push({ path: `${path}.spec.command`, expected: 'a program that can be run', found: `"${spec.command}"` });
    }
    if (HASHING.has(loadbalancer.policy) && !loadbalancer.key) {
      const expected = `a key for ${loadbalancer.policy}; without one, sessions go anywhere`;
      found.push({ path: `${path}.loadbalancer.key`, expected, found: 'nothing' });
    }
    if (check?.type === 'udp' && !check.send) {
      const expected = 'a datagram that endpoints answer; few answer an empty one';
      found.push({ path: `${path}.health_check.send`, expected, found: 'nothing' });
    }
  }
  return found;
}

const HASHING: ReadonlySet<string> = new Set(['HashRing', 'ConsistentHash', 'Maglev']);

/** As execvp(3) looks for it. */
function isThere({ command, env, cwd = '.' }: StdioForkCluster): boolean {
  const path = env['PATH'] ?? process.env['PATH'] ?? '';
  const places = command.includes('/') ? [command.startsWith('/') ? command : join(cwd, command)] : [];
  if (places.length === 0) places.push(...path.split(delimiter).map((directory) => join(directory || '.', command)));
  return places.some((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
