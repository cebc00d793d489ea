import { expect } from 'chai';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { l7mp, L7MP, ProxyProcess, runCommand } from '../../support/command.ts';
import { Peer, versionOf } from '../../support/peer.ts';
import { until } from '../../support/until.ts';

const route = (destination: unknown): object => ({ rules: [{ action: { route: { destination } } }] });
const local = { address: '127.0.0.1', port: 0 };

const CONFIG = {
  listeners: [
    { name: 'udp', spec: { protocol: 'UDP', ...local }, ...route('service'), options: { idle_timeout: 60_000 } },
    { name: 'in', spec: { protocol: 'TCP', ...local }, ...route({ name: 'back', spec: { protocol: 'Echo' } }) },
    {
      name: 'nowhere',
      spec: { protocol: 'TCP', ...local },
      rules: [{ match: { op: 'test', path: '/none', value: 1 }, action: { route: { destination: 'back' } } }],
      options: { track: 60 },
    },
    {
      name: 'chain',
      spec: { protocol: 'TCP', ...local },
      ...route({ name: 'gone', spec: { protocol: 'UnixDomainSocket' }, endpoints: ['/nonexistent'] }),
      options: { track: 60 },
    },
  ],
  clusters: [{ name: 'service', spec: { protocol: 'Echo' } }],
};

describe(`commands that ask a running proxy, with ${versionOf('socat', '-V')}`, () => {
  let proxy: ProxyProcess;
  const clients: Peer[] = [];

  beforeEach(async () => (proxy = await ProxyProcess.start(CONFIG)));
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.stop()));
    await proxy.stop();
  });

  const ask = (...args: readonly string[]) => l7mp([...args, '--api', proxy.api]);

  /** A client that has got back what it sent, and stays. */
  async function client(listener: string, text: string): Promise<Peer> {
    const peer = new Peer('socat', ['-', `${listener === 'udp' ? 'UDP' : 'TCP'}:127.0.0.1:${proxy.port(listener)}`]);
    clients.push(peer);
    peer.write(text);
    await peer.output(new RegExp(text, 'u'));
    return peer;
  }

  /** The name of the one session of a listener. */
  const session = (listener: string): Promise<string> =>
    until(`the session of ${listener}`, async () => {
      const found = (await proxy.sessions()).filter(({ name }) => name.includes(`:${proxy.port(listener)}`));
      return found[0]?.name;
    });

  describe('config', () => {
    it('prints what check takes, and what another proxy then does', async () => {
      const { code, stdout } = await ask('config');
      expect(code).to.equal(0);
      const copy = join(proxy.directory, 'copy.yaml');
      writeFileSync(copy, stdout);
      expect(await l7mp(['check', copy])).to.deep.equal({ code: 0, stdout: `${copy}: ok\n`, stderr: '' });

      proxy.write(stdout.replace('name: udp\n', 'name: renamed\n'));
      await proxy.logged('configuration reloaded');
      const again = (await ask('config')).stdout;
      expect(again).to.contain('name: renamed\n').and.not.contain('name: udp\n');
      expect(again.replace('name: renamed\n', 'name: udp\n')).to.equal(stdout);
    });

    it('prints the same as JSON', async () => {
      const { stdout } = await ask('config', '--json');
      const { listeners } = JSON.parse(stdout) as { listeners: { name: string }[] };
      expect(listeners.map(({ name }) => name)).to.deep.equal(['udp', 'in', 'nowhere', 'chain']);
      expect((await l7mp(['check', '-'], stdout)).code).to.equal(0);
    });
  });

  describe('sessions', () => {
    /** The first columns of a table. */
    const rows = (text: string): string[][] =>
      text
        .trim()
        .split('\n')
        .map((line) => line.split(/ {2,}/u));

    it('says that standard output is full, as other commands do', async () => {
      for (const command of ['sessions', 'top --once']) {
        const { code, stderr } = await runCommand('bash', ['-c', `${L7MP} ${command} --api ${proxy.api} > /dev/full`]);
        const message = 'l7mp: standard output: ENOSPC: no space left on device, write\n';
        expect({ code, stderr }, command).to.deep.equal({ code: 1, stderr: message });
      }
    });

    it('of l7mp top are none where the filter leaves none', async () => {
      await client('in', 'x');
      const { code, stdout } = await ask('top', '--once', '--filter', 'zzz');
      expect(code).to.equal(0);
      expect(stdout)
        .to.match(/^no session matches "zzz"$/mu)
        .and.not.match(/^SESSION/mu);
      expect((await ask('top', '--once', '--filter', 'in')).stdout).to.not.contain('no session matches');
    });

    it('prints a table once where nobody looks at it, sorted as it is told', async () => {
      await client('in', 'a longer text');
      await client('udp', 'short');
      await client('in', 'x');
      const [count, header, ...table] = rows((await ask('sessions', '--sort', 'bytes')).stdout);
      expect(count).to.deep.equal(['3 sessions']);
      expect(header).to.deep.equal(['SESSION', 'STATUS', 'TO', 'AGE', 'IN', 'OUT', 'RATE']);
      expect(
        table.map(([name, status, to, , bytesIn, bytesOut]) => [name?.slice(0, 4), status, to, bytesIn, bytesOut]),
      ).to.deep.equal([
        ['TCP:', 'CONNECTED', 'back <VIRTUAL>', '13 B', '13 B'],
        ['UDP:', 'CONNECTED', 'service <VIRTUAL>', '5 B', '5 B'],
        ['TCP:', 'CONNECTED', 'back <VIRTUAL>', '1 B', '1 B'],
      ]);
      const names = rows((await ask('sessions', '--once', '--sort', 'name')).stdout)
        .slice(2)
        .map(([name]) => name);
      expect(names).to.deep.equal(names.toSorted());
      const ages = rows((await ask('sessions', '--sort', 'age')).stdout)
        .slice(2)
        .map(([, , , , bytesIn]) => bytesIn);
      expect(ages).to.deep.equal(['13 B', '5 B', '1 B']);
    });

    it('prints JSON', async () => {
      await client('in', 'hi');
      const [shown, ...others] = JSON.parse((await ask('sessions', '--json')).stdout) as Record<string, unknown>[];
      expect(shown).to.include({ name: await session('in'), status: 'CONNECTED' });
      expect(others).to.deep.equal([]);
    });

    it('asks for no more sessions than the terminal shows, however many there are', async () => {
      const asked: (string | undefined)[] = [];
      const api = createServer((request, response) => {
        asked.push(request.url);
        response.setHeader('x-total-count', 5000).end('[]');
      });
      await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
      try {
        const { port } = api.address() as AddressInfo;
        const command = `stty cols 40 rows 12; exec ${L7MP} sessions --sort bytes --api 127.0.0.1:${port}`;
        const peer = new Peer('script', ['-qfec', command, '/dev/null']);
        clients.push(peer);
        await peer.output(/5000 sessions\r\n/u);
        expect(asked[0]).to.equal('/api/v1/sessions?sort=bytes&limit=9');
      } finally {
        api.closeAllConnections();
        await new Promise((resolve) => api.close(resolve));
      }
    });

    it('is a live table on a terminal, no wider and no higher than it, until it is interrupted', async () => {
      await client('in', 'hi');
      const command = `stty cols 40 rows 8; exec ${L7MP} sessions --interval 100 --api ${proxy.api}`;
      const peer = new Peer('script', ['-qfec', command, '/dev/null']);
      clients.push(peer);
      await peer.output(/1 session\r\n/u);
      await Promise.all(Array.from({ length: 9 }, () => client('udp', 'hi')));
      await peer.output(/10 sessions\r\n[^]*… 5 more\r\n/u);
      const screens = peer.stdout.split('\u001b[H\u001b[2J').slice(1, -1);
      expect(screens.length).to.be.above(0);
      for (const screen of screens) {
        const lines = screen.split('\r\n');
        expect(Math.max(...lines.map((line) => line.length))).to.equal(40);
        expect(lines.length).to.be.at.most(9);
      }
      peer.write('\u0003');
      await peer.exit;
    });
  });

  describe('explain', () => {
    it('says what decided on a session, where it went, and what happened when', async () => {
      await client('udp', 'hello');
      const name = await session('udp');
      const { code, stdout } = await ask('explain', name);
      const lines = stdout.split('\n');
      expect(lines.slice(0, 7).map((line) => line.replace(/\d+ m?s$/u, 'AGE'))).to.deep.equal([
        `session    ${name}`,
        'status     CONNECTED, AGE',
        'listener   udp',
        'rule       udp-RuleList-1-Rule-1, the first of udp-RuleList-1 that matches; it names route udp-RuleList-1-Rule-1-Route-1',
        'to         cluster service, endpoint service at <VIRTUAL>: READY',
        'from client 5 B in 1 chunks',
        'to   client 5 B in 1 chunks',
      ]);
      expect(stdout).to.match(
        /^timeline\n +\+\d+ ms {2}INIT: .*\n +\+\d+ ms {2}LOOKUP SUCCESS: .*\n +\+\d+ ms {2}CONNECT: /mu,
      );
      expect(code).to.equal(0);
      expect(JSON.parse((await ask('explain', name, '--json')).stdout)).to.include({ name, status: 'CONNECTED' });
    });

    it('says why a session came to nothing', async () => {
      for (const listener of ['nowhere', 'chain']) {
        await runCommand('socat', ['-u', '/dev/null', `TCP:127.0.0.1:${proxy.port(listener)}`]);
      }
      const lost = (await ask('explain', await session('nowhere'))).stdout;
      expect(lost).to.match(/^status {5}DESTROYED \(NO_ROUTE\), /mu);
      expect(lost).to.contain('\nrule       none matched\n').and.contain('\nto         nowhere\n');
      await until('the end of the session that could not connect', async () => {
        const { stdout } = await ask('explain', await session('chain'));
        return /^status {5}DESTROYED \(NOT_FOUND\), /mu.test(stdout) && stdout.includes('connect ENOENT /nonexistent');
      });
    });

    it('says, with exit code 2, that nothing is no name', async () => {
      const { code, stderr } = await ask('explain', '');
      expect(stderr).to.equal("l7mp: expected a session's name, or KIND/NAME, found nothing\n");
      expect(code).to.equal(2);
    });

    it('says so, with exit code 4, where there is none', async () => {
      const { code, stdout, stderr } = await ask('explain', 'TCP:none');
      expect(stderr).to.match(/^l7mp: expected a session \(l7mp sessions\).*, found "TCP:none"\n$/u);
      expect([code, stdout]).to.deep.equal([4, '']);
    });
  });

  describe('find the REST API', () => {
    it('by --api, with or without a scheme, or by L7MP_API', async () => {
      const address = proxy.api.replace('http://', '');
      for (const [args, env] of [
        [['--api', address], {}],
        [['--api', `${proxy.api}/`], {}],
        [[], { L7MP_API: proxy.api }],
        [[], { L7MP_API: address }],
      ] as const) {
        expect(await l7mp(['sessions', ...args], '', env)).to.deep.include({ code: 0, stderr: '' });
      }
    });

    it('and say, with exit code 4, who is there instead', async () => {
      const server = createServer((_, response) => void response.end('<html>not this one'));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      try {
        for (const command of ['sessions', 'config']) {
          const { code, stderr } = await l7mp([command, '--api', address]);
          expect(stderr).to.equal(
            `l7mp: expected the REST API of a proxy at ${address} (--api, L7MP_API), found 200 with "<html>not this one"\n`,
          );
          expect(code).to.equal(4);
        }
      } finally {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
      const nobody = await l7mp(['sessions', '--api', address]);
      const cause = `connect ECONNREFUSED ${address.slice('http://'.length)}`;
      expect(nobody.stderr).to.equal(`l7mp: expected a proxy at ${address} (--api, L7MP_API): ${cause}\n`);
      expect(nobody.code).to.equal(4);
    });

    it('and say where TLS was expected of a plain one', async () => {
      const server = createServer();
      server.on('clientError', (_, socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const api = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const { code, stderr } = await l7mp(['config', '--api', api]);
      await new Promise((resolve) => server.close(resolve));
      expect(stderr).to.equal(
        `l7mp: expected a proxy at ${api} (--api, L7MP_API): no TLS answers there; try http://\n`,
      );
      expect(code).to.equal(4);
    });

    it('or say, with exit code 2, that what they were given is no address', async () => {
      const { code, stderr } = await l7mp(['config', '--api', 'http://a b']);
      expect(stderr).to.equal(
        'l7mp: --api, L7MP_API: expected an address, as in http://127.0.0.1:1234, found "http://a b"\n',
      );
      expect(code).to.equal(2);
    });

    it('with its token only', async () => {
      const guarded = await ProxyProcess.start({ admin: { api: { port: 0, token: 'secret' } } });
      try {
        const { code, stderr } = await l7mp(['config', '--api', guarded.api]);
        expect(stderr).to.match(/^l7mp: \/api\/v1\/config: 401 /u);
        expect(code).to.equal(4);
        expect((await l7mp(['config', '--api', guarded.api, '--token', 'secret'])).code).to.equal(0);
        expect((await l7mp(['config', '--api', guarded.api], '', { L7MP_TOKEN: 'secret' })).code).to.equal(0);
      } finally {
        await guarded.stop();
      }
    });
  });
});
