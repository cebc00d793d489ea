/** A candidate for a lease, as a process that can be stopped: prints `{"leads": …, "at": …}` (ms of the epoch) as often as it looks. */
import { Lease } from '../../controlplane/kubernetes/runtime/lease.ts';
import { silentLogger } from './doubles.ts';
import { bareClient } from './kubernetes/bare-client.ts';

const [kubeconfig = '', identity = ''] = process.argv.slice(2);
const LOOK_MS = 20;

const client = bareClient(kubeconfig);
const say = (leads: boolean): void => void process.stdout.write(`${JSON.stringify({ leads, at: Date.now() })}\n`);
const lease = new Lease({
  client,
  namespace: 'default',
  name: 'test',
  identity,
  onChange: say,
  log: silentLogger,
  timing: { duration: 6000, renew: 4000, retry: 300 },
});
const looking = setInterval(() => lease.leads && say(true), LOOK_MS);
process.once('SIGTERM', () => {
  clearInterval(looking);
  void lease.close().then(() => client.close());
});
