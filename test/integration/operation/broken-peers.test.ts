import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { portOf, ProxyProcess, runCommand } from '../../support/command.ts';
import { Peer, versionOf } from '../../support/peer.ts';
import { until } from '../../support/until.ts';

const local = { address: '127.0.0.1', port: 0 };

/** Echoes lines, and crashes when it is told to. */
const FRAGILE = 'while read -r line; do [ "$line" = crash ] && kill -SEGV $$; echo "$line"; done';

describe(`peers that break, with ${versionOf('socat', '-V')} and ${versionOf('bash', '--version')}`, () => {
  let proxy: ProxyProcess;
  const peers: Peer[] = [];
  afterEach(async () => {
    await Promise.all(peers.splice(0).map((peer) => peer.stop()));
    await proxy.stop();
  });

  const config = (cluster: object): object => ({
    admin: { access_log_path: 'stdout', access_log_format: '%LISTENER% %REASON%', api: { port: 0 } },
    listeners: [
      {
        name: 'in',
        spec: { protocol: 'TCP', ...local },
        rules: [{ action: { route: { destination: { name: 'out', ...cluster } } } }],
      },
    ],
  });

  async function client(): Promise<Peer> {
    const peer = new Peer('socat', ['-t', '3', '-', `TCP:127.0.0.1:${proxy.port()}`]);
    peers.push(peer);
    await speaks(peer, 'first');
    return peer;
  }

  async function speaks(peer: Peer, text: string): Promise<void> {
    peer.write(`${text}\n`);
    await peer.output(new RegExp(`^${text}$`, 'mu'));
  }

  it('end their own session only: a child that crashes', async () => {
    proxy = await ProxyProcess.start(
      config({ spec: { protocol: 'StdioFork', command: 'bash', args: ['-c', FRAGILE] } }),
    );
    const [one, other] = [await client(), await client()];
    for (let round = 1; round <= 3; round++) {
      const victim = await client();
      victim.write('crash\n');
      await until('the access log', () => proxy.peer.stdout === 'in CHILD_EXITED\n'.repeat(round));
    }
    await speaks(one, 'still here');
    await speaks(other, 'here, too');
    const children = readFileSync(`/proc/${proxy.peer.pid}/task/${proxy.peer.pid}/children`, 'utf8');
    expect(children.trim().split(' '), 'children that nobody waited for').to.have.length(2);
  });

  it('end their own session only: an endpoint that vanishes, until it is there again', async () => {
    const endpoint = async (port = 0): Promise<{ readonly peer: Peer; readonly port: number }> => {
      const peer = new Peer('socat', ['-d', '-d', `TCP-LISTEN:${port},bind=127.0.0.1,reuseaddr,fork`, 'PIPE']);
      peers.push(peer);
      const [, address] = await peer.output(/listening on (?:AF=\S+ )?(\S+)/u);
      return { peer, port: portOf(address) };
    };
    const first = await endpoint();
    const second = await endpoint();
    const endpoints = [first, second].map(({ port }) => ({ spec: { address: '127.0.0.1', port } }));
    proxy = await ProxyProcess.start(
      config({ spec: { protocol: 'TCP' }, endpoints, loadbalancer: { policy: 'RoundRobin' } }),
    );
    const one = await client();
    await client();
    const name = async (): Promise<string[]> => (await proxy.sessions()).map(({ name: each }) => each);
    expect(await name()).to.have.length(2);

    // socat's children have the connections: they go, too.
    const family = readFileSync(`/proc/${second.peer.pid}/task/${second.peer.pid}/children`, 'utf8').trim().split(' ');
    for (const pid of family) process.kill(Number(pid), 'SIGKILL');
    await second.peer.stop();
    await until('the end of the session', () => /^in \w+$/mu.test(proxy.peer.stdout));
    await speaks(one, 'still here');
    const answers = [];
    for (let turn = 0; turn < 2; turn++) {
      const { stdout } = await runCommand('socat', ['-t', '3', '-', `TCP:127.0.0.1:${proxy.port()}`], 'hi');
      answers.push(stdout);
    }
    expect(answers, 'one endpoint is left').to.include('hi');

    await endpoint(second.port);
    await until('both endpoints to answer', async () => {
      const results = await Promise.all(
        [1, 2].map(() => runCommand('socat', ['-t', '3', '-', `TCP:127.0.0.1:${proxy.port()}`], 'hi')),
      );
      return results.every(({ stdout }) => stdout === 'hi');
    });
    await speaks(one, 'here all the time');
  });
});
