/** Programs that know of no proxy: what they send, and what comes for them, passes it; and only that. */
import { expect } from 'chai';
import { PYTHON, versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { Bed, FAMILIES, FOUR } from './bed.ts';

const WITH = `with ${versionOf('curl', '--version')} and ${versionOf('dig', '-v')}`;

describe(`a proxy that captures a pod's traffic, ${WITH}`, () => {
  let bed: Bed;

  beforeEach(async () => {
    bed = new Bed();
    await bed.serve('server');
  });
  afterEach(() => bed.close());

  const listenersOf = async (): Promise<string[]> => (await bed.sessions()).map(({ source }) => source.origin);

  for (const { name, pod, server, excluded } of FAMILIES) {
    describe(`over ${name}`, () => {
      it('has the connections of a program, with the address that it meant, and passes them on to it', async () => {
        await bed.startProxy({});
        expect(await bed.curl('pod', server)).to.match(/^server you are .*9[.:]/u);
        const [session, ...others] = await bed.sessions();
        expect(others, 'the proxy captures itself').to.deep.equal([]);
        expect(session?.source.origin).to.equal('TCP-outbound');
        expect(session?.metadata).to.deep.include({
          IP: { src_addr: pod, dst_addr: server },
          Capture: { direction: 'outbound', dst_addr: server, dst_port: 80 },
        });
        expect(session?.metadata['TCP']).to.include({ dst_port: 80 });
      });

      it('lets rules match what a program meant, and lead it elsewhere', async () => {
        await bed.startProxy({});
        expect(await bed.curl('pod', server, 81)).to.match(/^server/u);
        const [session] = await bed.sessions();
        expect(session?.metadata).to.deep.include({
          TCP: { ...session?.metadata['TCP'], dst_port: 81 },
          Capture: { direction: 'outbound', dst_addr: server, dst_port: 80 },
        });
      });

      it('keeps long streams whole, both ways', async () => {
        const family = name === 'IPv4' ? 'TCP4' : 'TCP6';
        const host = name === 'IPv4' ? server : `[${server}]`;
        bed.start('server', 'socat', `${family}-LISTEN:5000,reuseaddr,fork`, 'EXEC:cat');
        await bed.startProxy({});
        const code = `f=$(mktemp); trap "rm $f" EXIT; head -c 20000000 /dev/urandom > $f
          socat -t 20 - ${family}:${host}:5000,retry=100,interval=0.05 < $f | cmp - $f && echo same`;
        expect(await bed.run('pod', 'bash', '-c', code)).to.equal('same\n');
        expect(await listenersOf()).to.include('TCP-outbound');
      });

      it('answers a question as if the server had', async () => {
        await bed.startProxy({});
        const answer = await bed.run('pod', 'dig', '+short', '+tries=1', `@${server}`, 'example.com', 'A');
        expect(answer).to.equal('192.0.2.7\n');
        expect(await listenersOf()).to.deep.equal(['UDP-outbound']);
      });

      it('tells apart where a socket that is not connected sends to, in one piece and in several', async () => {
        await bed.startProxy({});
        for (const size of [10, 6000]) {
          const came = await bed.datagrams('pod', size, [server, 5000], [server, 5001], [excluded, 5000]);
          const answer = (host: string, port: number): string =>
            `${host} ${port} ${size} ${port} ${size + String(size).length + 6}`;
          expect(came).to.deep.equal([answer(server, 5000), answer(server, 5001), answer(excluded, 5000)].sort());
        }
        expect(await listenersOf()).to.deep.equal(Array(6).fill('UDP-outbound'));
      });

      it('has what comes for a program, at ports that the program listens on', async () => {
        await bed.serve('pod');
        await bed.startProxy({});
        expect(await bed.curl('server', pod)).to.match(/^pod you are /u);
        for (const size of [10, 6000]) {
          const length = size + String(size).length + 6;
          expect(await bed.datagrams('server', size, [pod, 5000], [pod, 5001])).to.deep.equal([
            `${pod} 5000 ${size} 5000 ${length}`,
            `${pod} 5001 ${size} 5001 ${length}`,
          ]);
        }
        const sessions = await bed.sessions();
        expect(sessions.map(({ source }) => source.origin)).to.have.members([
          'TCP-inbound',
          ...(Array(4).fill('UDP-inbound') as string[]),
        ]);
        const tcp = sessions.find(({ source }) => source.origin === 'TCP-inbound');
        expect(tcp?.metadata).to.deep.include({
          IP: { src_addr: server, dst_addr: pod },
          Capture: { direction: 'inbound', dst_addr: pod, dst_port: 80 },
        });
      });

      it('leads what is for a destination to the listener that names it, whichever came last', async () => {
        await bed.serve('pod');
        const at = (host: string, port: number): string => `${name === 'IPv4' ? host : `[${host}]`}:${port}`;
        const listener = (protocol: string, captured: string, ...captured_destinations: string[]): object => ({
          name: `${protocol}-${captured}-named`,
          spec: { protocol, address: '::', port: 0, captured, captured_destinations },
          options: { track: 60 },
          rules: [{ action: { route: { destination: protocol === 'HTTP' ? 'TCP' : protocol } } }],
        });
        const named = [
          listener('TCP', 'outbound', at(server, 81), at(excluded, 80)),
          listener('UDP', 'outbound', at(server, 5001)),
          listener('TCP', 'inbound', at(pod, 81)),
        ];
        const proxy = await bed.startProxy({}, '', {}, named);
        const ask = async (): Promise<string[]> => {
          for (const [host, port] of [
            [server, 80],
            [server, 81],
            [excluded, 80],
            [excluded, 81],
          ] as const) {
            expect(await bed.curl('pod', host, port)).to.match(/^server/u);
          }
          await bed.datagrams('pod', 10, [server, 5000], [server, 5001]);
          for (const port of [80, 81]) expect(await bed.curl('server', pod, port)).to.match(/^pod/u);
          return (await listenersOf()).sort();
        };
        const all = ['TCP-inbound', 'TCP-outbound', 'UDP-outbound'];
        const ofNames = ['TCP-inbound-named', 'TCP-outbound-named', 'TCP-outbound-named', 'UDP-outbound-named'];
        expect(await ask()).to.deep.equal([...all, ...ofNames, 'TCP-outbound'].sort());
        // Without them, the rest is as without them.
        for (const each of ['TCP-outbound-named', 'UDP-outbound-named', 'TCP-inbound-named']) {
          await bed.run('pod', 'curl', '-sSf', '-X', 'DELETE', `${proxy.api}/api/v1/listeners/${each}`);
        }
        expect((await ask()).filter((each) => each.endsWith('-named'))).to.deep.equal(ofNames);
      });

      it('lets through what is excluded, by port and by address, and its answers', async () => {
        await bed.serve('pod');
        await bed.startProxy({
          outbound: { exclude_ports: ['80/tcp', '5000'], exclude_cidrs: [`${excluded}/${name === 'IPv4' ? 32 : 128}`] },
          inbound: { ports: ['81', '5001'], exclude_cidrs: [excluded] },
        });
        expect(await bed.curl('pod', server, 80)).to.match(/^server/u);
        expect(await bed.curl('pod', excluded, 81)).to.match(/^server/u);
        await bed.datagrams('pod', 10, [server, 5000], [excluded, 5001]);
        expect(await bed.curl('server', pod, 80)).to.match(/^pod/u);
        await bed.datagrams('server', 10, [pod, 5000]);
        await bed.run(
          'server',
          'curl',
          '-sSf',
          '--interface',
          excluded,
          `http://${name === 'IPv4' ? pod : `[${pod}]`}:81/`,
        );
        expect(await listenersOf()).to.deep.equal([]);
        await bed.curl('pod', server, 81);
        await bed.datagrams('pod', 10, [server, 5001]);
        await bed.curl('server', pod, 81);
        await bed.datagrams('server', 10, [pod, 5001]);
        expect(await listenersOf()).to.have.members(['TCP-outbound', 'UDP-outbound', 'TCP-inbound', 'UDP-inbound']);
      });

      it('has nothing stand in the way once it is killed', async () => {
        await bed.serve('pod');
        const { peer } = await bed.startProxy({});
        await bed.curl('pod', server);
        await bed.datagrams('pod', 10, [server, 5000]);
        process.kill(peer.pid, 'SIGKILL');
        await peer.exit;
        expect(await bed.curl('pod', server)).to.equal(`server you are ${name === 'IPv4' ? `::ffff:${pod}` : pod}\n`);
        expect(await bed.datagrams('pod', 10, [server, 5000], [server, 5001])).to.have.length(2);
        expect(await bed.curl('server', pod)).to.match(/^pod/u);
        expect(await bed.datagrams('server', 10, [pod, 5000])).to.have.length(1);
      });
    });
  }

  it('lets users through whom it is told of, and knows its own sockets by its user then', async () => {
    await bed.startProxy({ outbound: { exclude_uids: [0] } });
    await bed.curl('pod', FOUR.server);
    expect(await listenersOf()).to.deep.equal([]);
    await bed.run('pod', 'setpriv', '--reuid', '65534', 'curl', '-sSf', `http://${FOUR.server}/`);
    expect(await listenersOf()).to.deep.equal(['TCP-outbound']);
  });

  it('needs no more than the capabilities that sidecars have', async () => {
    await bed.startProxy({}, 'setpriv --bounding-set=-all,+bpf,+net_admin --inh-caps=-all');
    await bed.curl('pod', FOUR.server);
    await bed.datagrams('pod', 10, [FOUR.server, 5000]);
    expect(await listenersOf()).to.have.members(['TCP-outbound', 'UDP-outbound']);
  });

  it('leaves connections alone that were there before, and those of after work while it ends', async () => {
    const client = bed.start('pod', PYTHON, '-c', KEEP, FOUR.server);
    await client.output(/answer 1\n/u);
    await bed.startProxy({});
    client.write('\n');
    await client.output(/answer 2\n/u);
    expect(await listenersOf()).to.deep.equal([]);
    await bed.stopProxy();
    client.write('\n');
    await client.output(/answer 3\n/u);
    expect(await bed.curl('pod', FOUR.server)).to.match(/^server/u);
  });

  it('takes nobody who comes to its listeners by himself', async () => {
    const proxy = await bed.startProxy({});
    const port = proxy.port('TCP-inbound');
    const failure = await bed.curl('server', FOUR.pod, port).catch(String);
    expect(failure).to.match(/Empty reply|reset/u);
    await until('the refusal to be told', () =>
      proxy.log().some((line) => JSON.stringify(line).includes('PERMISSION_DENIED')),
    );
    expect(await listenersOf()).to.deep.equal([]);
  });

  it('keeps what is captured in user space where kernel offload is on', async () => {
    await bed.startProxy({}, '', { offload: 'init' });
    await bed.datagrams('pod', 10, [FOUR.server, 5000]);
    await until('the session to be looked at', async () =>
      ((await bed.sessions())[0]?.offload.reason ?? '').includes('captured'),
    );
    expect(await bed.datagrams('pod', 10, [FOUR.server, 5000])).to.have.length(1);
  });

  it('captures at interfaces that come later', async () => {
    await bed.startProxy({});
    await bed.addLink();
    await until('a captured connection over the new link', async () => {
      await bed.curl('pod', '10.10.0.1');
      return (await bed.sessions()).some(({ metadata }) => metadata['IP']?.['dst_addr'] === '10.10.0.1');
    });
  });

  for (const end of ['killed', 'closed'] as const) {
    it(`captures by clsact where there are no links, and stands in nobody's way once it is ${end}`, async () => {
      const own = bed.startOwn('test/integration/dataplane/capture/engine-process.ts');
      await own.output(/ready/u);
      for (const { server } of FAMILIES) {
        const place = server.includes(':') ? `TCP6:[${server}]:80` : `TCP4:${server}:80`;
        expect(await bed.run('pod', 'socat', '-u', place, 'STDOUT')).to.equal(`captured ${server} 80\n`);
      }
      if (end === 'killed') process.kill(own.pid, 'SIGKILL');
      else own.endInput();
      await own.exit;
      // A worker of the kernel empties what programs are called by, some time after nobody has it any more.
      if (end === 'killed') {
        await until('it to be emptied', async () =>
          (await bed.curl('pod', FOUR.server).catch(String)).startsWith('server'),
        );
      }
      for (const { server } of FAMILIES) expect(await bed.curl('pod', server)).to.match(/^server/u);
      const filters = await bed.run('pod', 'tc', 'filter', 'show', 'dev', 'eth0', 'egress');
      if (end === 'closed') expect(filters).to.equal('');
    });
  }

  it('captures nothing without privileges, says so in a line, and everything works without it', async () => {
    const proxy = await bed.startProxy({}, 'setpriv --bounding-set=-net_admin,-bpf,-sys_admin');
    const { reason } = await proxy.logged('nothing is captured: traffic goes where it says');
    expect(reason).to.match(/^capture needs Linux 5.16, CAP_BPF and CAP_NET_ADMIN: /u);
    expect(await bed.curl('pod', FOUR.server)).to.match(/^server/u);
    expect(await listenersOf()).to.deep.equal([]);
  });

  it('does not start with listeners that capture where nothing is to be captured', async () => {
    const failure = await bed.startProxy(undefined).catch(String);
    expect(failure).to.match(/captured: expected admin.capture in the configuration, found none/u);
  });
});

/** Asks once more on one connection with each line of its input. */
const KEEP = `
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], timeout=5)
for number in range(1, 4):
    if number > 1: sys.stdin.readline()
    connection.request('GET', '/'); connection.getresponse().read(); print('answer', number, flush=True)
sys.stdin.read()`;
