/** What `l7mp tap --format pcap` writes of real sessions: Wireshark names their protocols, and finds what was said. */
import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from '../../support/certificates.ts';
import { endTap, expectSound, said, startTap, tshark } from '../../support/capture.ts';
import { ProxyProcess, runCommand } from '../../support/command.ts';
import { freePort } from '../../support/free-port.ts';
import { hasTcpPort, hasUdpPort, Peer, PYTHON, versionOf } from '../../support/peer.ts';
import { until } from '../../support/until.ts';

const local = { address: '127.0.0.1', port: 0 };
const listener = (name: string, spec: object, cluster: object, more: object = {}): object => ({
  name,
  spec,
  rules: [{ action: { route: { destination: cluster } } }],
  ...more,
});
const at = (protocol: string, port: number): object => ({ spec: { protocol, port }, endpoints: ['127.0.0.1'] });
const echo = { spec: { protocol: 'Echo' } };

describe(`captures of l7mp tap, with ${versionOf('tshark', '--version')}`, () => {
  let directory: string;
  let proxy: ProxyProcess | undefined;
  let peers: Peer[];
  let server: Server | undefined;
  let file: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    peers = [];
    file = join(directory, 'capture.pcapng');
  });
  afterEach(async () => {
    // Programs of a pipe end with what they read.
    await proxy?.stop();
    proxy = undefined;
    await Promise.all(peers.map((peer) => peer.stop()));
    server?.closeAllConnections();
    server?.close();
    server = undefined;
    rmSync(directory, { recursive: true });
  });

  const running = (): ProxyProcess => {
    if (!proxy) throw new Error('the proxy is not started');
    return proxy;
  };
  const port = (name: string): number => running().port(name);
  const run = (command: string, ...args: string[]): Peer => {
    const peer = new Peer(command, args);
    peers.push(peer);
    return peer;
  };
  const finish = async (command: string, ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runCommand(command, args);
    expect(code, stderr).to.equal(0);
    return stdout;
  };
  const tap = async (name: string, ...args: string[]): Promise<Peer> => {
    const peer = await startTap(running(), name, '--format', 'pcap', '-o', file, ...args);
    peers.push(peer);
    return peer;
  };
  const start = async (...listeners: object[]): Promise<void> => {
    proxy = await ProxyProcess.start({ listeners });
  };
  const column = (name: string, filter = '', ...args: string[]): string[] =>
    tshark(file, [name], filter, ...args).map(([value = '']) => value);

  /** Answers with what it is sent: in chunks with trailers, or with its length. */
  async function web(): Promise<number> {
    server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const body = Buffer.concat(parts);
        response.setHeader('set-cookie', 'token=hidden');
        if (request.url === '/empty') response.writeHead(204).end();
        else if (request.url === '/length') response.setHeader('content-length', body.length).end(body);
        else {
          response.writeHead(200, { trailer: 'x-sum' });
          for (const part of parts) response.write(part);
          response.addTrailers({ 'x-sum': String(body.length) });
          response.end();
        }
      });
    });
    server.listen(0, '127.0.0.1');
    await until('the server', () => server?.listening);
    return (server.address() as AddressInfo).port;
  }

  it('are of HTTP, with heads, bodies and trailers, and without secrets', async () => {
    await start(listener('web', { protocol: 'HTTP', ...local }, at('HTTP', await web())));
    const shown = await tap('web');
    const url = `http://127.0.0.1:${port('web')}`;
    const text = 'a body of some words';
    const chunked = ['-X', 'PUT', '-H', 'transfer-encoding: chunked'];
    expect(await finish('curl', '-s', '-u', 'joe:hidden', '-d', text, `${url}/length?a=b`)).to.equal(text);
    expect(await finish('curl', '-s', ...chunked, '--data-binary', text, `${url}/chunks`)).to.equal(text);
    await finish('curl', '-s', '-I', `${url}/length`);
    await finish('curl', '-s', `${url}/empty`);
    expect(await endTap(shown)).to.match(/payloads are written as they pass/u);

    expectSound(file);
    expect(tshark(file, ['http.request.method', 'http.request.uri'], 'http.request')).to.deep.equal([
      ['POST', '/length?a=b'],
      ['PUT', '/chunks'],
      ['HEAD', '/length'],
      ['GET', '/empty'],
    ]);
    expect(column('http.response.code', 'http.response')).to.deep.equal(['200', '200', '200', '204']);
    expect(column('http.file_data', 'http.file_data').length).to.equal(4);
    expect(said(file, 0, 0).toString()).to.match(new RegExp(`authorization: <REDACTED>\r\n[^]*\r\n\r\n${text}$`, 'u'));
    expect(said(file, 1, 1).toString()).to.match(
      /set-cookie: <REDACTED>[^]*\r\n14\r\na body of some words\r\n0\r\nx-sum: 20\r\n\r\n$/iu,
    );
    for (const stream of [0, 1, 2, 3]) expect(said(file, stream, 1).toString()).to.not.contain('hidden');
    const ports = column('tcp.dstport', 'tcp.flags.syn == 1 && tcp.flags.ack == 0');
    expect(new Set(ports)).to.deep.equal(new Set([String(port('web'))]));
    const [comment] = column('frame.comment', 'frame.comment');
    expect(comment).to.match(/session HTTP:127\.0\.0\.1:.*listener web \(HTTP\)/u);
  });

  it('are of requests of HTTP/2 that share a connection, and of HTTP over TLS: each is a connection of its own', async () => {
    const { cert, key } = makeCertificate(directory, 'web', 'IP:127.0.0.1');
    await start(listener('web', { protocol: 'HTTP', ...local, tls: { cert, key } }, at('HTTP', await web())));
    const shown = await tap('web');
    const url = `https://127.0.0.1:${port('web')}/length`;
    const words = ['-s', '--cacert', cert, '--http2', '--parallel', '--parallel-immediate', '--parallel-max', '3'];
    await finish('curl', ...words, '-d', 'one', url, url, url);
    await endTap(shown);
    expectSound(file);
    expect(column('http.request.method', 'http.request')).to.deep.equal(['POST', 'POST', 'POST']);
    expect(column('http.response.code', 'http.response')).to.deep.equal(['200', '200', '200']);
    expect(new Set(column('tcp.stream', 'http')).size).to.equal(3);
  });

  it('are of what a client is told that gets nowhere', async () => {
    const rules = [{ match: { op: 'defined', path: '/none' }, action: { route: { destination: echo } } }];
    await start({ name: 'web', spec: { protocol: 'HTTP', ...local }, rules });
    const shown = await tap('web');
    await finish('curl', '-s', `http://127.0.0.1:${port('web')}/missing`);
    await endTap(shown);
    expectSound(file);
    expect(tshark(file, ['http.request.uri', 'http.response.code'], 'http')).to.deep.equal([
      ['/missing', ''],
      ['', '404'],
    ]);
  });

  it('are of WebSocket: the handshake, and each message', async () => {
    await start(listener('ws', { protocol: 'WebSocket', ...local }, echo));
    const shown = await tap('ws', '--bytes', '100000');
    const code = `
import sys
from websockets.sync.client import connect
with connect(sys.argv[1], subprotocols=["chat"]) as c:
    for message in ["hello", b"\\x00\\xff", "x" * 200, "y" * 70000]:
        c.send(message)
        assert c.recv() == message
`;
    await finish(PYTHON, '-c', code, `ws://127.0.0.1:${port('ws')}/chat`);
    await endTap(shown);
    expectSound(file);
    expect(column('http.response.code', 'http.response')).to.deep.equal(['101']);
    const both = (value: string): string[] => [value, value];
    expect(column('websocket.opcode', 'websocket')).to.deep.equal(['1', '2', '1', '1', '8'].flatMap(both));
    expect(column('websocket.payload.text', 'websocket.payload.text').slice(0, 2)).to.deep.equal(both('hello'));
    const lengths = tshark(
      file,
      ['websocket.payload_length', 'websocket.payload_length_ext_16', 'websocket.payload_length_ext_64'],
      'websocket.opcode < 3',
    );
    expect(lengths.map((row) => row.filter((each) => each !== '').at(-1))).to.deep.equal(
      ['5', '2', '200', '70000'].flatMap(both),
    );
    expect(new Set(column('websocket.mask', 'websocket && tcp.dstport == ' + String(port('ws'))))).to.deep.equal(
      new Set(['1']),
    );
  });

  it('are of DNS over UDP, at the destination, and over TCP with its lengths', async () => {
    const free = await freePort();
    const options = ['--keep-in-foreground', '--conf-file=/dev/null', '--no-resolv', '--no-hosts', '--pid-file='];
    const where = [`--port=${free}`, '--listen-address=127.0.0.1', '--bind-interfaces', '--user=root'];
    run('dnsmasq', ...options, ...where, '--host-record=l7mp.test,192.0.2.7');
    await until('dnsmasq', () => hasUdpPort(free) && hasTcpPort(free));
    const framing = { options: { framing: 'length-prefix-2' } };
    await start(
      listener('udp', { protocol: 'UDP', ...local }, at('UDP', free)),
      listener('tcp', { protocol: 'TCP', ...local }, at('UDP', free), framing),
    );
    const ask = (name: string, ...more: string[]): Promise<string> =>
      finish('dig', '@127.0.0.1', '-p', String(port(name)), '+short', ...more, 'l7mp.test');

    const upstream = await tap('udp', '--side', 'upstream', '--count', '2');
    expect((await ask('udp')).trim()).to.equal('192.0.2.7');
    expect(await upstream.exit, upstream.stderr).to.equal(0);
    const udp = ['-d', `udp.port==${free},dns`];
    expectSound(file, ...udp);
    expect(tshark(file, ['udp.dstport', 'dns.qry.name', 'dns.a'], 'dns', ...udp)).to.deep.include([
      String(free),
      'l7mp.test',
      '',
    ]);
    expect(column('dns.a', 'dns.flags.response == 1', ...udp)).to.deep.equal(['192.0.2.7']);

    const client = await tap('tcp', '--force');
    expect((await ask('tcp', '+tcp')).trim()).to.equal('192.0.2.7');
    await endTap(client);
    const tcp = ['-d', `tcp.port==${port('tcp')},dns`];
    expectSound(file, ...tcp);
    expect(column('dns.flags.response', 'dns', ...tcp)).to.deep.equal(['0', '1']);
  });

  it('are of SIP', async () => {
    const free = await freePort();
    const common = ['-nostdin', '-i', '127.0.0.1', '-m', '1', '-timeout', '8', '-timeout_error'];
    run('sipp', '-sn', 'uas', '-p', String(free), ...common);
    await until("sipp's server", () => hasUdpPort(free));
    await start(listener('sip', { protocol: 'UDP', ...local }, at('UDP', free)));
    const shown = await tap('sip');
    await finish('sipp', '-sn', 'uac', `127.0.0.1:${port('sip')}`, '-d', '10', ...common);
    await endTap(shown);
    expectSound(file);
    expect(column('sip.Method', 'sip.Method')).to.deep.equal(['INVITE', 'ACK', 'BYE']);
    expect(column('sip.Status-Code', 'sip.Status-Code')).to.deep.equal(['180', '200', '200']);
  });

  it('are of TLS that passes, byte for byte, at both sides', async () => {
    const { cert, key } = makeCertificate(directory, 'web', 'IP:127.0.0.1');
    const free = await freePort();
    run('openssl', 's_server', '-4', '-accept', String(free), '-cert', cert, '-key', key, '-www', '-quiet');
    await until('openssl', () => hasTcpPort(free));
    await start(listener('tls', { protocol: 'TCP', ...local }, at('TCP', free)));
    const shown = await tap('tls');
    const upstream = join(directory, 'upstream.pcapng');
    const other = await startTap(running(), 'tls', '--format', 'pcap', '--side', 'upstream', '-o', upstream);
    peers.push(other);
    await finish('curl', '-s', '--cacert', cert, `https://127.0.0.1:${port('tls')}/`);
    await endTap(shown);
    await endTap(other);
    for (const each of [file, upstream]) {
      expectSound(each);
      const types = tshark(each, ['tls.handshake.type'], 'tls.handshake.type').flat().join(',');
      expect(types).to.match(/^1,2/u);
    }
    const [[to] = []] = tshark(upstream, ['tcp.dstport'], 'tcp.flags.syn == 1 && tcp.flags.ack == 0');
    expect(to).to.equal(String(free));
    for (const direction of [0, 1] as const) {
      expect(said(upstream, 0, direction).equals(said(file, 0, direction))).to.equal(true);
    }
  });

  it('are of sockets that have no addresses, with others in their place; and end with a reset that was one', async () => {
    const path = join(directory, 'in.sock');
    await start(
      listener('unix', { protocol: 'UnixDomainSocket', filename: path }, echo),
      listener('tcp', { protocol: 'TCP', ...local }, echo),
    );
    const shown = await tap('unix');
    const client = run('socat', '-', `UNIX-CONNECT:${path}`);
    client.write('hello');
    await client.output(/hello/u);
    client.endInput();
    await client.exit;
    await endTap(shown);
    expectSound(file);
    expect(tshark(file, ['ip.src', 'ip.dst'], 'tcp.flags.syn == 1')).to.deep.equal([
      ['192.0.2.1', '192.0.2.2'],
      ['192.0.2.2', '192.0.2.1'],
    ]);
    expect([said(file, 0, 0).toString(), said(file, 0, 1).toString()]).to.deep.equal(['hello', 'hello']);
    expect(column('frame.comment', 'frame.comment')[0]).to.contain('192.0.2.1 stands in for who began it');

    const again = await tap('tcp', '--force');
    const code = `
import socket, struct, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.sendall(b"x"); s.recv(1); s.close()
`;
    await finish(PYTHON, '-c', code, String(port('tcp')));
    await until('its end', async () => (await running().sessions()).length === 0);
    await endTap(again);
    expect(column('tcp.flags.reset', 'tcp.flags.reset == 1')).to.have.length(1);
  });

  it('have the beginnings of messages, where they are cut or not shown, and how long they were', async () => {
    await start(
      listener('in', { protocol: 'UDP', ...local }, echo),
      listener('tcp', { protocol: 'TCP', ...local }, echo),
    );
    const send = async (name: string, text: string): Promise<void> => {
      const scheme = name === 'in' ? 'UDP' : 'TCP';
      const client = run('socat', '-', `${scheme}:127.0.0.1:${port(name)}`);
      client.write(text);
      await client.output(new RegExp(text, 'u'));
      await client.stop();
    };
    const cut = await tap('in', '--bytes', '4', '--direction', 'in');
    await send('in', 'abcdefgh');
    await endTap(cut);
    expect(tshark(file, ['frame.len', 'frame.cap_len', 'udp.length', 'data.data'])).to.deep.equal([
      ['36', '32', '16', '61626364'],
    ]);
    const hidden = await tap('tcp', '--force', '--redact', 'payload');
    await send('tcp', 'abcdefgh');
    expect(await endTap(hidden)).to.not.contain('payloads are written');
    expect(column('tcp.len', 'tcp.len > 0')).to.deep.equal(['8', '8']);
    expect(column('data.data', 'data.data')).to.deep.equal([]);
  });

  it('have what is redacted in part as it is shown, without gaps', async () => {
    await start(listener('tcp', { protocol: 'TCP', ...local }, echo));
    const shown = await tap('tcp', '--redact', 'payload:/pin', '--direction', 'in');
    const client = run('socat', '-', `TCP:127.0.0.1:${port('tcp')}`);
    for (const text of ['{"pin":1234567890123456}', '{"pin":7}', '{"a":true}']) {
      client.write(text);
      await client.output(new RegExp(text.slice(1, -1), 'u'));
    }
    await client.stop();
    await endTap(shown);
    expect(column('tcp.len', 'tcp.len > 0')).to.deep.equal(['20', '20', '10']);
    expect(column('frame.number', 'tcp.analysis.flags')).to.deep.equal([]);
  });

  it('go to a program that reads them', async () => {
    await start(listener('web', { protocol: 'HTTP', ...local }, at('HTTP', await web())));
    const words = `'${join('bin', 'l7mp')}' tap web --api ${running().api} --format pcap | tshark -l -r - -T fields -e http.request.uri -Y http.request`;
    const pipe = run('bash', '-c', words);
    await until('the tap', async () => (await running().get('/api/v1/taps')).text.includes('"web"'));
    await finish('curl', '-s', `http://127.0.0.1:${port('web')}/empty`);
    await pipe.output(/^\/empty$/mu);
  });
});
