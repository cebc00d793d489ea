/** Writers at a store in Kubernetes, as a process that can be killed: prints each acknowledgement: writer, number, revision. */
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { KubeClient } from '../../controlplane/kubernetes/runtime/client.ts';
import { openKubernetesStore } from '../../controlplane/store/kubernetes/store.ts';
import { silentLogger } from './doubles.ts';

const [server = '', ca = '', name = '', round = ''] = process.argv.slice(2);
const WRITERS = 4;

// Without the official client, whose thousands of files take long to load where each goes through a compiler.
const agent = new Agent({ ca: readFileSync(ca), keepAlive: true });
const client = new KubeClient({
  server: new URL(server),
  namespace: 'default',
  requestOptions: () => Promise.resolve({ agent, headers: { authorization: 'Bearer admin-token' } }),
  close: () => agent.destroy(),
});
const lease = (): never => {
  throw new Error('nobody leads here');
};
const store = await openKubernetesStore({ client, lease }, { namespace: 'default', name }, silentLogger);
const write = async (writer: number): Promise<never> => {
  for (let n = 0; ; n++) {
    // Some are large: then snapshots come often.
    const value = Buffer.from(JSON.stringify([Number(round), n, 'x'.repeat(n % 3 === 0 ? 100_000 : 10)]));
    const operations = [0, 1, 2].map((i) => ({ type: 'put', key: `${writer}/${i}`, value }) as const);
    const { revision } = await store.transact([], operations);
    process.stdout.write(`${writer} ${n} ${revision}\n`);
  }
};
await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
