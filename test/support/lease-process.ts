/** A candidate for a lease, as a process that can be stopped: prints `{"leads": …, "at": …}` (ms of the epoch) as often as it looks. */
import { openClient } from '../../controlplane/kubernetes/runtime/client.ts';
import { Lease } from '../../controlplane/kubernetes/runtime/lease.ts';
import { silentLogger } from './doubles.ts';

const [file = '', identity = ''] = process.argv.slice(2);
const LOOK_MS = 20;

const client = await openClient({ file });
const say = (leads: boolean): void => void process.stdout.write(`${JSON.stringify({ leads, at: Date.now() })}\n`);
const lease = new Lease({
  client,
  namespace: 'default',
  name: 'test',
  identity,
  onChange: say,
  log: silentLogger,
  timing: { duration: 2000, renew: 1200, retry: 200 },
});
const looking = setInterval(() => lease.leads && say(true), LOOK_MS);
process.once('SIGTERM', () => {
  clearInterval(looking);
  void lease.close().then(() => client.close());
});
