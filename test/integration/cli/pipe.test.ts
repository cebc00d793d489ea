import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { l7mp, L7MP, portOf, type Result, runCommand } from '../../support/command.ts';
import { freePort } from '../../support/free-port.ts';
import { hasUdpPort, Peer, versionOf } from '../../support/peer.ts';
import { until } from '../../support/until.ts';

/** How `pipe` says, with -v, where it listens. */
const LISTENING = /"listening":"([^"]+)"/u;

describe(`l7mp pipe, with ${versionOf('socat', '-V')} and ${versionOf('curl', '--version')}`, () => {
  let directory: string;
  const peers: Peer[] = [];

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    const files = ['-keyout', join(directory, 'k.pem'), '-out', join(directory, 'c.pem')];
    const options = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
    execFileSync('openssl', [...options, ...files, ...subject], { stdio: 'ignore' });
  });
  after(() => rmSync(directory, { recursive: true }));
  afterEach(async () => {
    // All at once: a socat that is gone lets its children live on with their connections.
    await Promise.all(peers.splice(0).map((peer) => peer.stop()));
  });

  function start(command: string, ...args: readonly string[]): Peer {
    const peer = new Peer(command, args);
    peers.push(peer);
    return peer;
  }

  /** A pipe that listens, and where. */
  async function pipe(...args: readonly string[]): Promise<{ readonly peer: Peer; readonly address: string }> {
    const peer = start(L7MP, 'pipe', '-v', ...args);
    const [, address = ''] = await peer.output(LISTENING);
    return { peer, address };
  }

  /** socat in front of a program, and the port or path that it listens on. */
  async function server(address: string, program = 'EXEC:cat'): Promise<number> {
    const peer = start('socat', '-d', '-d', address, program);
    const [, port] = await peer.output(/listening on AF=\S+ (?:\S+:)?(\S+)/u);
    return Number(port);
  }

  const socat = (to: string, input: string | Buffer): Promise<Result> =>
    runCommand('socat', ['-t', '3', '-', to], input);
  const pem = (text: string): string => text.replaceAll('DIR', directory);

  describe('as a client', () => {
    for (const form of ['tcp:127.0.0.1:PORT', 'TCP4-CONNECT:localhost:PORT,nodelay', 'tcp://127.0.0.1:PORT/']) {
      it(`${form}: gives what it reads, its end, and writes the answer`, async () => {
        const port = await server('TCP-LISTEN:0,bind=127.0.0.1', 'SYSTEM:"sha256sum"');
        const data = randomBytes(3_000_000);
        const { code, stdout, stderr } = await l7mp(['pipe', '-', form.replace('PORT', String(port))], data);
        expect(stdout.slice(0, 64), stderr).to.equal(createHash('sha256').update(data).digest('hex'));
        expect([code, stderr]).to.deep.equal([0, '']);
      });
    }

    for (const form of ['tcp:[::1]:PORT', 'TCP6:[::1]:PORT']) {
      it(`${form}: over IPv6`, async () => {
        const port = await server('TCP6-LISTEN:0,bind=[::1]');
        expect(await l7mp(['pipe', '-', form.replace('PORT', String(port))], 'hi')).to.include({
          code: 0,
          stdout: 'hi',
        });
      });
    }

    it('connects from the address and port that bind= names', async () => {
      const port = await server('TCP-LISTEN:0,bind=127.0.0.1', 'SYSTEM:"echo $SOCAT_PEERADDR $SOCAT_PEERPORT"');
      const from = await freePort();
      const { stdout } = await l7mp(['pipe', '-', `tcp:127.0.0.1:${port},bind=127.0.0.2:${from}`]);
      expect(stdout).to.equal(`127.0.0.2 ${from}\n`);
    });

    for (const form of ['udp:127.0.0.1:PORT', 'UDP4-SENDTO:127.0.0.1:PORT']) {
      it(`${form}: ends when the answer is there and nothing more comes`, async () => {
        const port = await freePort();
        start('socat', `UDP4-RECVFROM:${port},bind=127.0.0.1,fork`, 'EXEC:cat');
        await until('socat', () => hasUdpPort(port));
        // socat starts a process for it, which takes its time on a busy machine.
        const words = ['pipe', '--half-close', '3000', '-', form.replace('PORT', String(port))];
        expect(await l7mp(words, 'hi')).to.include({ code: 0, stdout: 'hi' });
      });
    }

    for (const form of ['unix-connect:PATH', 'UNIX-CLIENT:PATH', 'unix://PATH', 'PATH']) {
      it(`${form}: to a UNIX socket`, async () => {
        const path = join(directory, 'server');
        start('socat', `UNIX-LISTEN:${path}`, 'EXEC:cat');
        await until('socat', () => existsSync(path));
        expect(await l7mp(['pipe', '-', form.replace('PATH', path)], 'hi')).to.include({ code: 0, stdout: 'hi' });
      });
    }

    for (const options of ['cafile=DIR/c.pem,commonname=localhost', 'ca=DIR/c.pem', 'verify=0']) {
      it(`openssl:…,${options}: over TLS`, async () => {
        const port = await server(pem('OPENSSL-LISTEN:0,bind=127.0.0.1,cert=DIR/c.pem,key=DIR/k.pem,verify=0'));
        expect(await l7mp(['pipe', '-', pem(`openssl:127.0.0.1:${port},${options}`)], 'hi')).to.include({
          code: 0,
          stdout: 'hi',
        });
      });
    }

    it('refuses a certificate that nobody vouches for', async () => {
      const port = await server(pem('OPENSSL-LISTEN:0,bind=127.0.0.1,cert=DIR/c.pem,key=DIR/k.pem,verify=0'));
      const { code, stderr } = await l7mp(['pipe', '-', `tls://127.0.0.1:${port}`], 'hi');
      expect(stderr).to.equal('l7mp: TLS with 127.0.0.1: self-signed certificate\n');
      expect(code).to.equal(1);
    });

    for (const [form, expected] of [
      ['exec:tr a-z A-Z', 'HELLO\n'],
      ['EXEC:tr a-z A-Z,stderr=discard', 'HELLO\n'],
      ['system:tr a-z A-Z; echo a,b', 'HELLO\na,b\n'],
      ['echo', 'hello\n'],
    ] as const) {
      it(`${form}, before or behind the dash`, async () => {
        for (const addresses of [
          ['-', form],
          [form, '-'],
        ]) {
          const result = await l7mp(['pipe', ...addresses], 'hello\n');
          expect(result).to.deep.equal({ code: 0, stdout: expected, stderr: '' });
        }
      });
    }
  });

  describe('as a server', () => {
    for (const form of [
      'tcp-listen:0,bind=127.0.0.1',
      'TCP-LISTEN:0,bind=127.0.0.1,reuseaddr,fork',
      'tcp://127.0.0.1:0',
      'tcp6-listen:0,bind=::1',
    ]) {
      it(`${form}: a session for each connection, until SIGINT`, async () => {
        const { peer, address } = await pipe(form, 'exec:tr a-z A-Z');
        const answers = await Promise.all(['one', 'two'].map((text) => socat(`TCP:${address}`, text)));
        expect(answers.map(({ stdout }) => stdout)).to.deep.equal(['ONE', 'TWO']);
        peer.signal('SIGINT');
        expect(await peer.exit).to.equal(0);
      });
    }

    it('ends with its first session where it is told --once', async () => {
      const { peer, address } = await pipe('tcp-listen:0,bind=127.0.0.1', 'echo', '--once');
      expect((await socat(`TCP:${address}`, 'hi')).stdout).to.equal('hi');
      expect(await peer.exit).to.equal(0);
    });

    for (const order of [
      ['-', 'tcp-listen:0,bind=127.0.0.1'],
      ['tcp-listen:0,bind=127.0.0.1', '-'],
    ]) {
      it(`${order.join(' ')}: is what nc -l is`, async () => {
        const { peer, address } = await pipe(...order);
        peer.write('from the server');
        peer.endInput();
        expect((await socat(`TCP:${address}`, 'from the client')).stdout).to.equal('from the server');
        expect(await peer.exit).to.equal(0);
        expect(peer.stdout).to.equal('from the client');
      });
    }

    it('udp-listen: to a TCP server, datagrams kept apart by --framing', async () => {
      const port = await server('TCP-LISTEN:0,bind=127.0.0.1,fork');
      const { address } = await pipe(
        'udp-listen:0,bind=127.0.0.1',
        `tcp:127.0.0.1:${port}`,
        '--framing',
        'length-prefix-2',
      );
      const client = start('socat', '-', `UDP:${address}`);
      client.write('hello');
      await client.output(/^hello$/u);
    });

    it('ws-listen: and ws:, with a path', async () => {
      const { address } = await pipe('ws-listen:0,bind=127.0.0.1', 'echo');
      expect(await l7mp(['pipe', '-', `ws://${address}/some/path?x=1`], 'hi')).to.include({ code: 0, stdout: 'hi' });
    });

    it('https-listen: takes what curl sends', async () => {
      const { address } = await pipe(
        pem('https-listen:0,bind=127.0.0.1,cert=DIR/c.pem,key=DIR/k.pem'),
        'exec:tr a-z A-Z',
      );
      const url = `https://localhost:${portOf(address)}/`;
      const { stdout } = await runCommand('curl', ['-sS', '--cacert', pem('DIR/c.pem'), '-d', 'hello', url]);
      expect(stdout).to.equal('HELLO');
    });

    it('wss-listen: and wss:, with a certificate authority', async () => {
      const { address } = await pipe(pem('wss-listen:0,bind=127.0.0.1,cert=DIR/c.pem,key=DIR/k.pem'), 'echo');
      const url = pem(`wss://localhost:${portOf(address)},ca=DIR/c.pem`);
      expect(await l7mp(['pipe', '-', url], 'hi')).to.include({ code: 0, stdout: 'hi' });
    });

    it('unix-listen: with the permissions that mode= names, and gone afterwards', async () => {
      const path = join(directory, 'listener');
      const { peer } = await pipe(`unix-listen:${path},mode=0600`, 'echo');
      expect(statSync(path).mode & 0o777).to.equal(0o600);
      expect((await socat(`UNIX-CONNECT:${path}`, 'hi')).stdout).to.equal('hi');
      peer.signal('SIGTERM');
      expect(await peer.exit).to.equal(0);
      expect(existsSync(path)).to.equal(false);
    });

    it('passes what goes through --ingress and --egress', async () => {
      const log = join(directory, 'passed');
      const stage = `logger,log_file=${log}`;
      const { stdout } = await l7mp(['pipe', '-', '--ingress', stage, '--egress', stage, 'exec:tr a-z A-Z'], 'hi\n');
      expect(stdout).to.equal('HI\n');
      expect((await runCommand('cat', [log])).stdout)
        .to.contain('hi')
        .and.contain('HI');
    });

    it('says with -v where it listens, and what became of each session', async () => {
      const { peer, address } = await pipe('tcp-listen:0,bind=127.0.0.1', 'exec:tr a-z A-Z');
      await socat(`TCP:${address}`, 'hello');
      const [line] = await peer.output(/^.*"session ended".*$/mu);
      expect(JSON.parse(line)).to.include({ level: 'info', reason: 'OK', bytes_in: 5, bytes_out: 5 });
      expect(line).to.contain('CONNECT: all stages are connected');
    });

    it('connects again where it is told --retry', async () => {
      const path = join(directory, 'attempts');
      const program = `system:echo x >> ${path}; [ $(wc -l < ${path}) -eq 3 ] || exit 1; echo again; cat > /dev/null`;
      expect((await l7mp(['pipe', '-', program], 'hi')).code).to.equal(1);
      // It is told of the end, too, which the one before was told already.
      expect(await l7mp(['pipe', '-', program, '--retry', '1'], 'hi')).to.include({ code: 0, stdout: 'again\n' });
    });
  });

  describe('at its end', () => {
    it('says what broke, and fails', async () => {
      for (const [address, words] of [
        ['tcp:127.0.0.1:1', 'connecting to 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1'],
        ['exec:sh -c "exit 3"', 'sh exited with status 3'],
        ['exec:/nonexistent', 'starting /nonexistent: spawn /nonexistent ENOENT'],
        ['unix:/nonexistent', 'connecting to /nonexistent: connect ENOENT /nonexistent'],
      ] as const) {
        expect(await l7mp(['pipe', '-', address], 'x')).to.deep.equal({
          code: 1,
          stdout: '',
          stderr: `l7mp: ${words}\n`,
        });
      }
    });

    it('says so where standard output is full, but not where nothing was to be written', async () => {
      const full = await runCommand('bash', ['-c', `echo hi | ${L7MP} pipe - echo > /dev/full`]);
      expect(full).to.deep.equal({ code: 1, stdout: '', stderr: 'l7mp: ENOSPC: no space left on device, write\n' });
      const nothing = await runCommand('bash', ['-c', `${L7MP} pipe - echo < /dev/null > /dev/full`]);
      expect(nothing).to.deep.equal({ code: 0, stdout: '', stderr: '' });
    });

    it('is content where its reader has seen enough', async () => {
      const script = `yes | ${L7MP} pipe - echo | head -1; echo "\${PIPESTATUS[1]}"`;
      expect(await runCommand('bash', ['-c', script])).to.deep.equal({ code: 0, stdout: 'y\n0\n', stderr: '' });
    });

    it('says what --help says to a reader that has seen enough, too', async () => {
      const script = `${L7MP} pipe --help | head -1; echo "\${PIPESTATUS[0]}"`;
      expect((await runCommand('bash', ['-c', script])).stdout).to.match(/^Usage: l7mp pipe .*\n0\n$/u);
    });
  });

  describe('refuses, with exit code 2 and nothing started,', () => {
    for (const [args, words] of [
      [['-', '-'], 'expected standard input and output once, found it as A and as B'],
      [['echo', 'discard'], /expected one address that sessions come from .*which both connect; make one a listener/u],
      [['tcp-listen:0', 'udp-listen:0'], /found "tcp-listen" and "udp-listen", which both listen; make one connect/u],
      [['-', 'tpc:h:1'], /address "tpc:h:1": .*perhaps "tcp"/u],
      [['-', 'localhost:80'], /address "localhost:80": expected a scheme in front, as in tcp:localhost:80/u],
      [['-', 'tcp:h:70000'], /address "tcp:h:70000": expected a port from 0 to 65535, found 70000/u],
      [
        ['-', 'tcp:h:80,bnd=x'],
        'address "tcp:h:80,bnd=x": option bnd: expected a known field (perhaps bind), found "bnd"',
      ],
      [['tcp-listen:0,bnd=x', 'echo'], /^address "tcp-listen:0,bnd=x": option bnd: expected a known field/u],
      [['-', 'tcp:a@b:80'], /^address "tcp:a@b:80": option address: expected an IP address or a DNS name/u],
      [['-', 'echo', '--ingress', 'metric,nme=x'], /^address "metric,nme=x": option nme: .*perhaps name/u],
      [['-', 'echo', '--ingress', 'nonsense'], /^address "nonsense": expected a scheme/u],
      [['-', 'echo', '--idle-timeout', '99999999999'], /'99999999999' is invalid. expected a whole number from 0 to/u],
      [['-', 'echo', '--idle-timeout', 'soon'], /'soon' is invalid. expected a whole number/u],
      [['-', 'echo', '--framing', 'x'], /Allowed choices are length-prefix-2, length-prefix-4, newline/u],
      [['-', 'echo', '--onec'], /unknown option '--onec'\n\(Did you mean --once\?\)/u],
      [['-'], /missing required argument 'B'/u],
      [['-', 'echo', 'echo'], /too many arguments/u],
    ] as const) {
      it(args.join(' '), async () => {
        const { code, stdout, stderr } = await l7mp(['pipe', ...args]);
        expect(stderr.slice(0, 6)).to.equal('l7mp: ');
        if (typeof words === 'string') expect(stderr).to.equal(`l7mp: ${words}\n`);
        else expect(stderr.slice(6)).to.match(words);
        expect([code, stdout]).to.deep.equal([2, '']);
      });
    }

    it('all that is wrong at once', async () => {
      const { code, stderr } = await l7mp(['pipe', 'tls-listen:0', 'tcp:h:1,x=1', '--egress', 'metric,y=1']);
      expect(
        stderr
          .trim()
          .split('\n')
          .map((line) => line.split(': expected')[0]),
      ).to.have.members([
        'l7mp: address "tls-listen:0": option tls.cert',
        'l7mp: address "tls-listen:0": option tls.key',
        'l7mp: address "tcp:h:1,x=1": option x',
        'l7mp: address "metric,y=1": option y',
      ]);
      expect(code).to.equal(2);
    });
  });

  for (const scheme of ['unix-listen', 'unix-recvfrom', 'seqpacket-listen']) {
    it(`${scheme}: names the directory that is not there`, async () => {
      const path = join(directory, 'missing', 's');
      const { code, stderr } = await l7mp(['pipe', `${scheme}:${path}`, 'echo']);
      expect(stderr).to.contain(
        `NOT_FOUND: expected the directory ${join(directory, 'missing')} for the socket ${path}`,
      );
      expect(code).to.equal(3);
    });
  }

  it('takes the place of a stale socket, as unlink-early asks for, and listens on an IPv6 address in brackets', async () => {
    const stale = join(directory, 'stale');
    execFileSync('python3', ['-c', `import socket; socket.socket(socket.AF_UNIX).bind('${stale}')`]);
    await pipe(`unix-listen:${stale},unlink-early,fork`, 'echo');
    expect((await socat(`UNIX-CONNECT:${stale}`, 'hello')).stdout).to.equal('hello');
    const { address } = await pipe('udp-recv:0,bind=[::1]', 'echo');
    expect((await socat(`UDP6:${address}`, 'hello')).stdout).to.equal('hello');
  });

  it('ends with exit code 3 where it cannot listen', async () => {
    const { address } = await pipe('tcp-listen:0,bind=127.0.0.1', 'echo');
    const again = `tcp-listen:${portOf(address)},bind=127.0.0.1`;
    const { code, stderr } = await l7mp(['pipe', again, 'echo']);
    expect(stderr).to.match(
      new RegExp(`^l7mp: address "${again}": expected to listen, found ADDRESS_IN_USE: .*\n$`, 'u'),
    );
    expect(code).to.equal(3);
  });
});
