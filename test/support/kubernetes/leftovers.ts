/** All that an API server has: whether what was installed there is gone again. */
import { expect } from 'chai';
import type { Result } from '../command.ts';
import { until } from '../until.ts';
import type { Kube } from './kube.ts';

/** Names of all objects that can be listed, but events and leases, which the server writes by itself. */
export async function contentsOf(kube: Kube): Promise<string[]> {
  const { stdout } = await kube.tryKubectl(['api-resources', '--verbs=list,delete', '-o', 'name']);
  const kinds = stdout.split('\n').filter((name) => name !== '' && !/^(?:events|leases|apiservices)/u.test(name));
  const found = await kube.tryKubectl(['get', kinds.join(','), '-A', '-o', 'name', '--ignore-not-found']);
  return found.stdout
    .split('\n')
    .filter((line) => line !== '')
    .sort();
}

/** What was defined goes some time after its definition, and so do the lists of what there is. @throws with what differs then */
export async function untilContents(kube: Kube, expected: readonly string[]): Promise<void> {
  let found: string[] = [];
  const isSame = async (): Promise<boolean> => {
    found = await contentsOf(kube);
    return found.join('\n') === expected.join('\n');
  };
  await until('the API server to be as it was', isSame, 20_000).catch(() => undefined);
  expect(found.join('\n')).to.equal(expected.join('\n'));
}

/** What the namespace controller would do, of a testbed where none runs. */
export async function finalizeNamespace(kube: Kube, name: string): Promise<void> {
  const get = (): Promise<Result> => kube.tryKubectl(['get', 'namespace', name, '-o', 'json']);
  const found = await until(`namespace ${name} is on its way out`, async () => {
    const { code, stdout } = await get();
    return code === 0 && stdout.includes('"deletionTimestamp"') ? stdout : undefined;
  });
  const object = { ...(JSON.parse(found) as object), spec: { finalizers: [] } };
  await kube.kubectl(['replace', '--raw', `/api/v1/namespaces/${name}/finalize`, '-f', '-'], object);
}
