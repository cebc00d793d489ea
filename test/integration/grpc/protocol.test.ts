/** What is no proper call, and clients that misbehave: curl, and raw HTTP/2. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http2 from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { expect } from 'chai';
import type { Call, Service } from '../../../controlplane/core/rpc.ts';
import type { RequestFacts } from '../../../controlplane/rpc/server.ts';
import { clientOf, closers, serve, statusOf, until } from '../../support/grpc.ts';
import { Peer, versionOf } from '../../support/peer.ts';

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

interface Answer {
  readonly status: string;
  readonly headers: string;
}

/** What curl gets for a request to `Get`; `body` in bash's `printf` form. */
async function curl(port: number, body: string, ...args: string[]): Promise<Answer> {
  const url = `http://127.0.0.1:${port}/${CONFIG}/Get`;
  const command = `printf '${body}' | curl -sS -m 5 --http2-prior-knowledge -o /dev/null -D - --data-binary @- "$@"`;
  const peer = new Peer('bash', ['-c', command, 'bash', ...args, url]);
  expect(await peer.exit, peer.stderr).to.equal(0);
  return { status: /^HTTP\/2 (\d+)/u.exec(peer.stdout)?.[1] ?? '', headers: peer.stdout };
}

const GRPC = ['-H', 'content-type: application/grpc', '-H', 'te: trailers'];

describe(`the gRPC server, called by ${versionOf('curl', '--version')}`, () => {
  afterEach(() => cleanup.run());

  it('answers in trailers', async () => {
    const { port } = await serve(empty, {}, cleanup);
    const { status, headers } = await curl(port, '\\0\\0\\0\\0\\0', ...GRPC);
    expect(status).to.equal('200');
    expect(headers).to.match(/content-type: application\/grpc\r\n/u);
    expect(headers).to.match(/grpc-status: 0\r\n/u);
  });

  it('refuses other content types, and other methods, in HTTP', async () => {
    const { port } = await serve(empty, {}, cleanup);
    expect((await curl(port, '{}', '-H', 'content-type: application/json')).status).to.equal('415');
    expect((await curl(port, '', '-H', 'content-type:')).status).to.equal('415');
    expect((await curl(port, '', ...GRPC, '-X', 'PUT')).status).to.equal('405');
  });

  for (const [what, body, args, code] of [
    ['garbage as a message', '\\0\\0\\0\\0\\001\\377', [], 3],
    ['the end within a message', '\\0\\0\\0\\0\\011x', [], 3],
    ['no message', '', [], 3],
    ['two messages', '\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0', [], 3],
    ['a message that says it has 4 GB', '\\0\\377\\377\\377\\377', [], 8],
    ['a compressed message', '\\001\\0\\0\\0\\001x', [], 12],
    ['an encoding that is not known', '\\0\\0\\0\\0\\0', ['-H', 'grpc-encoding: br'], 12],
    ['a time that is none', '\\0\\0\\0\\0\\0', ['-H', 'grpc-timeout: soon'], 3],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const { port } = await serve(empty, {}, cleanup);
      const { headers } = await curl(port, body, ...GRPC, ...args);
      expect(headers).to.match(new RegExp(`grpc-status: ${code}\\r\\n`, 'u'));
      if (code === 12) expect(headers).to.match(/grpc-accept-encoding: identity\r\n/u);
    });
  }

  it('makes no more responses than a client takes that is stopped, and goes on when it is', async () => {
    let given = 0;
    const services = config({
      async *Backup() {
        for (; given < 1000; given++) yield Promise.resolve({ data: Buffer.alloc(100_000) });
      },
    });
    const { port } = await serve(services, {}, cleanup);
    const url = `http://127.0.0.1:${port}/${CONFIG}/Backup`;
    const peer = new Peer('bash', [
      '-c',
      `printf '\\0\\0\\0\\0\\0' | exec curl -sS --limit-rate 10K --http2-prior-knowledge --data-binary @- "$@" | wc -c`,
      'bash',
      ...GRPC,
      url,
    ]);
    await until('the first responses', () => given > 0);
    let before = -1;
    while (before !== given) {
      before = given;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(given, 'responses to a client that does not read').to.be.lessThan(500);
    await peer.stop();
  });
});
