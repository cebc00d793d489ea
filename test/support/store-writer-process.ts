/** Writers at a store in Kubernetes, as a process that can be killed: prints each acknowledgement: writer, number, revision. */
import { openKubernetesStore } from '../../controlplane/store/kubernetes/store.ts';
import { silentLogger } from './doubles.ts';
import { bareClient } from './kubernetes/bare-client.ts';

const [kubeconfig = '', name = '', round = ''] = process.argv.slice(2);
const WRITERS = 4;

const client = bareClient(kubeconfig);
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
