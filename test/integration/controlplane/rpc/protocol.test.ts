/** What is no proper call, and clients that misbehave: curl, and raw HTTP/2. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { expect } from 'chai';
import type { Call, Service } from '../../../../controlplane/core/rpc.ts';
import type { CallerFacts } from '../../../../controlplane/core/identity.ts';
import { clientOf, closers, serve, statusOf } from '../../../support/grpc.ts';
import { Peer, versionOf } from '../../../support/peer.ts';
import { until, untilSteady } from '../../../support/until.ts';

const CONFIG = 'l7mp.admin.v1.ConfigService';
const cleanup = closers();

function config(methods: Required<Service>['methods']): readonly Service[] {
  return [{ name: CONFIG, methods }];
}

const empty = config({ Get: () => Promise.resolve({}) });

/** A method whose stream goes on until the call is over. */
const endless = config({
  async *Watch(_request: object, { signal }: Call) {
    yield {};
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  },
});

/** What nghttp gets for a request to `Get` with this body: its header fields and trailers, a line each. */
async function request(port: number, body: string, headers: readonly string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'l7mp-grpc-'));
  const file = join(folder, 'request');
  writeFileSync(file, body, 'latin1');
  const args = ['-v', '-n', '-t', '5', '-d', file, ...headers];
  const peer = new Peer('nghttp', [...args, `http://127.0.0.1:${port}/${CONFIG}/Get`]);
  const code = await peer.exit;
  rmSync(folder, { recursive: true });
  expect(code, peer.stderr).to.equal(0);
  return [...peer.stdout.matchAll(/recv \(stream_id=\d+\) (.+)/gu)].map(([, field]) => field).join('\n');
}

const GRPC = ['-Hcontent-type: application/grpc', '-Hte: trailers'];

describe(`the gRPC server, called by ${versionOf('nghttp', '--version')}`, () => {
  afterEach(() => cleanup.run());

  it('answers in trailers', async () => {
    const { port } = await serve(empty, {}, cleanup);
    const fields = await request(port, '\0\0\0\0\0', GRPC);
    expect(fields).to.match(/^:status: 200\n[^]*content-type: application\/grpc\n[^]*grpc-status: 0$/u);
  });

  it('refuses other content types, and other methods, in HTTP', async () => {
    const { port } = await serve(empty, {}, cleanup);
    expect(await request(port, '{}', ['-Hcontent-type: application/json'])).to.include(':status: 415');
    expect(await request(port, '', [])).to.include(':status: 415');
    expect(await request(port, '', [...GRPC, '-H:method: PUT'])).to.include(':status: 405');
  });

  for (const [what, body, args, code] of [
    ['garbage as a message', '\0\0\0\0\x01\xff', [], 3],
    ['the end within a message', '\0\0\0\0\x09x', [], 3],
    ['no message', '', [], 3],
    ['two messages', '\0\0\0\0\0\0\0\0\0\0', [], 3],
    ['a message that says it has 4 GB', '\0\xff\xff\xff\xff', [], 8],
    ['a compressed message', '\x01\0\0\0\x01x', [], 12],
    ['an encoding that is not known', '\0\0\0\0\0', ['-Hgrpc-encoding: br'], 12],
    ['a time that is none', '\0\0\0\0\0', ['-Hgrpc-timeout: soon'], 3],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const { port } = await serve(empty, {}, cleanup);
      const fields = await request(port, body, [...GRPC, ...args]);
      expect(fields).to.match(new RegExp(`grpc-status: ${code}$`, 'mu'));
      if (code === 12) expect(fields).to.include('grpc-accept-encoding: identity');
    });
  }

  it(`makes no more responses than ${versionOf('curl', '--version')} takes, which is slow`, async () => {
    let given = 0;
    const services = config({
      async *Backup() {
        for (; given < 1000; given++) yield Promise.resolve({ data: Buffer.alloc(100_000) });
      },
    });
    const { port } = await serve(services, {}, cleanup);
    const body = join(mkdtempSync(join(tmpdir(), 'l7mp-grpc-')), 'request');
    cleanup.add(() => rmSync(dirname(body), { recursive: true }));
    writeFileSync(body, Buffer.alloc(5));
    const url = `http://127.0.0.1:${port}/${CONFIG}/Backup`;
    const args = ['-sS', '--limit-rate', '10K', '--http2-prior-knowledge', '-o', '/dev/null'];
    const peer = new Peer('curl', [...args, '--data-binary', `@${body}`, '-H', 'content-type: application/grpc', url]);
    cleanup.add(() => peer.stop());
    await untilSteady('the first responses', () => given);
    expect(given, 'responses to a client that does not read').to.be.lessThan(500);
  });
});

describe('connections of the gRPC server', () => {
  afterEach(() => cleanup.run());

  it('are ended when the client is there no more, though its connection is', async () => {
    const limits = { keepaliveIntervalMs: 50, keepaliveTimeoutMs: 3000 };
    const { server, port } = await serve(endless, { limits }, cleanup);
    const answering = http2.connect(`http://127.0.0.1:${port}`);
    cleanup.add(() => answering.destroy());
    // What python3 opens it keeps, and answers no pings.
    const code = `import socket,sys; s=socket.create_connection(('127.0.0.1',${port})); s.send(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n'+bytes(3)+b'\\4'+bytes(5)); print('open', flush=True); sys.stdin.read()`;
    const silent = new Peer('python3', ['-c', code.replaceAll('\\\\', '\\')]);
    cleanup.add(() => silent.stop());
    await silent.output(/open/u);
    await until('both connections', () => server.connections === 2);
    await until('the end of one', () => server.connections === 1);
    expect(answering.destroyed).to.equal(false);
  });

  it('are ended at their maximum age: streams are told to connect again', async () => {
    const limits = { maxConnectionAgeMs: 1000, graceMs: 1000 };
    const { port } = await serve(endless, { limits }, cleanup);
    const status = await statusOf(clientOf(CONFIG, port, cleanup).serverStream('Watch', {}));
    expect(status).to.include({ code: grpc.status.UNAVAILABLE });
    expect(status.details).to.include('connect again');
  });

  it('are no more than may be', async () => {
    const { server, port } = await serve(empty, { limits: { maxConnections: 2 } }, cleanup);
    const sockets = [1, 2, 3].map(() => connect(port, '127.0.0.1').on('error', () => undefined));
    cleanup.add(() => sockets.forEach((socket) => socket.destroy()));
    await until('the third to be closed', () => sockets.filter((socket) => socket.resume().readableEnded).length === 1);
    expect(server.connections).to.equal(2);
  });

  it('have no more streams than may be', async () => {
    const { port } = await serve(endless, { limits: { maxStreamsPerConnection: 2 } }, cleanup);
    const session = http2.connect(`http://127.0.0.1:${port}`);
    cleanup.add(() => session.destroy());
    await once(session, 'remoteSettings');
    expect(session.remoteSettings.maxConcurrentStreams).to.equal(2);
  });

  it('take no new calls while the server closes, and those with one answer are finished', async () => {
    let finish: () => void = () => {};
    const { server, port } = await serve(
      config({ ...endless[0]!.methods, Get: () => new Promise<object>((resolve) => (finish = () => resolve({}))) }),
      {},
      closers(),
    );
    const client = clientOf(CONFIG, port, cleanup);
    const watch = client.serverStream('Watch', {});
    const ended = statusOf(watch);
    await new Promise((resolve) => watch.once('data', resolve));
    const before = finish;
    const got = client.unary('Get', {});
    await until('the call', () => finish !== before);
    const closed = server.close(5000);
    expect(await ended).to.include({ code: grpc.status.UNAVAILABLE });
    finish();
    await got;
    await closed;
    expect(server.connections).to.equal(0);
  });

  it('do not keep the server from closing when they are reset meanwhile', async () => {
    const unanswered = config({ Get: () => new Promise<object>(() => {}) });
    const { server, port } = await serve(unanswered, {}, closers());
    const socket = connect(port, '127.0.0.1');
    const session = http2.connect(`http://127.0.0.1:${port}`, { createConnection: () => socket });
    cleanup.add(() => session.destroy());
    session.on('error', () => undefined);
    await once(session, 'remoteSettings');
    const headers = { ':method': 'POST', ':path': `/${CONFIG}/Get`, 'content-type': 'application/grpc' };
    const call = session.request(headers).on('error', () => undefined);
    call.end(Buffer.alloc(5));
    await new Promise((resolve) => session.ping(resolve)); // answered after what was sent before it
    session.once('goaway', () => socket.resetAndDestroy());
    await server.close(5000);
    expect(server.connections).to.equal(0);
  });
});

describe('TLS of the gRPC server', () => {
  afterEach(() => cleanup.run());

  it('knows clients by their certificates, and takes a new one of its own without ending a stream', async () => {
    const { ca, server: first, client } = certificates();
    const second = certificates('second');
    const seen: CallerFacts[] = [];
    const { server, port } = await serve(
      endless,
      {
        tls: { ...first, ca, requestCert: true, rejectUnauthorized: true },
        authenticate: (facts) => {
          seen.push(facts);
          return { name: 'x', admin: true, reader: true, nodes: [] };
        },
      },
      cleanup,
    );
    const credentials = grpc.credentials.createSsl(ca, client.key, client.cert);
    const options = { 'grpc.ssl_target_name_override': 'localhost' };
    const watch = clientOf(CONFIG, port, cleanup, { credentials, options }).serverStream('Watch', {});
    const ended = statusOf(watch);
    await new Promise((resolve) => watch.once('data', resolve));
    expect(seen[0]?.certificate?.subject.CN).to.equal('client');
    expect(seen[0]?.loopback).to.equal(true);

    server.setSecureContext({ ...second.server, ca });
    expect(await subjectOf(port, client)).to.equal('second');
    expect(server.connections).to.equal(1);
    watch.cancel();
    expect(await ended).to.include({ code: grpc.status.CANCELLED });
  });

  it('turns away who has no certificate', async () => {
    const { ca, server: own } = certificates();
    const { port } = await serve(empty, { tls: { ...own, ca, requestCert: true, rejectUnauthorized: true } }, cleanup);
    const options = { 'grpc.ssl_target_name_override': 'localhost' };
    const client = clientOf(CONFIG, port, cleanup, { credentials: grpc.credentials.createSsl(ca), options });
    const error = await client.unary('Get', {}, { deadlineMs: 3000 }).catch((reason: unknown) => reason);
    expect(error).to.include({ code: grpc.status.UNAVAILABLE });
  });
});

interface KeyPair {
  readonly key: Buffer;
  readonly cert: Buffer;
}

/** An authority, and certificates that it signed, by openssl. */
function certificates(serverName = 'localhost'): {
  readonly ca: Buffer;
  readonly server: KeyPair;
  readonly client: KeyPair;
} {
  const folder = mkdtempSync(join(tmpdir(), 'l7mp-grpc-'));
  const file = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { stdio: 'pipe' });
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...ec, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-subj', '/CN=ca', '-days', '2');
  const signed = (name: string): KeyPair => {
    openssl('req', ...ec, '-keyout', file('key'), '-out', file('csr'), '-subj', `/CN=${name}`);
    const ca = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial'];
    openssl('x509', '-req', '-in', file('csr'), ...ca, '-out', file('pem'), '-days', '2');
    return { key: readFileSync(file('key')), cert: readFileSync(file('pem')) };
  };
  const made = { ca: readFileSync(file('ca.pem')), server: signed(serverName), client: signed('client') };
  rmSync(folder, { recursive: true });
  return made;
}

/** The subject of the certificate that the server has for new connections. */
async function subjectOf(port: number, { key, cert }: KeyPair): Promise<unknown> {
  const socket = connectTls({ port, host: '127.0.0.1', key, cert, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
  await once(socket, 'secureConnect');
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return CN;
}
