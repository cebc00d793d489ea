/** Whether what was installed at an API server is gone again. */
import { expect } from 'chai';
import type { Result } from '../command.ts';
import { until } from '../until.ts';
import { contentsOf } from './contents.ts';
import type { Kube } from './kube.ts';

/** Kinds that the server writes objects of by itself. */
const SERVERS_OWN: ReadonlySet<string> = new Set(['APIService', 'Lease']);

/** What all is called that is there, but what the server writes by itself. */
export async function titlesIn(kube: Kube): Promise<string[]> {
  const contents = await contentsOf(kube);
  return Array.from(contents)
    .flatMap(([title, { kind }]) => (SERVERS_OWN.has(kind) ? [] : title))
    .sort();
}

/** What was defined goes some time after its definition, and so do the lists of what there is. @throws with what differs then */
export async function untilContents(kube: Kube, expected: readonly string[]): Promise<void> {
  let found: string[] = [];
  const isSame = async (): Promise<boolean> => {
    // Of a kind that is on its way out kubectl says that there is no such.
    found = await titlesIn(kube).catch(() => []);
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
