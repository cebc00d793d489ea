/** A candidate for a lease, as a process that can be stopped: prints `{"leads": …, "at": …}` (ms of the epoch) as often as it looks. */
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { KubeClient } from '../../controlplane/kubernetes/runtime/client.ts';
import { Lease } from '../../controlplane/kubernetes/runtime/lease.ts';
import { silentLogger } from './doubles.ts';

const [server = '', ca = '', identity = ''] = process.argv.slice(2);
const LOOK_MS = 20;

// Without the official client, whose thousands of files take long to load where each goes through a compiler.
const agent = new Agent({ ca: readFileSync(ca), keepAlive: true });
const client = new KubeClient({
  server: new URL(server),
  namespace: 'default',
  requestOptions: () => Promise.resolve({ agent, headers: { authorization: 'Bearer admin-token' } }),
  close: () => agent.destroy(),
});
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
