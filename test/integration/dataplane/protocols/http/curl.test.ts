import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { Peer, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';
import { until } from '../../../../support/until.ts';

const execute = promisify(execFile);

/** Runs curl; what it prints is Latin-1, so that bodies stay what they are. */
async function curl(args: readonly string[], input: string | Buffer = ''): Promise<string> {
  const options = { encoding: 'latin1', maxBuffer: 16 << 20 } as const;
  const running = execute('curl', ['--silent', '--show-error', '--max-time', '8', ...args], options);
  running.child.stdin?.end(input);
  return (await running).stdout;
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

const LISTENER = { protocol: 'HTTP', address: '127.0.0.1', port: 0 };
const ECHO = { spec: { protocol: 'Echo' } };

describe(`An HTTP listener before Echo, with ${versionOf('curl', '--version')}`, () => {
  let proxy: TestProxy;
  let url: string;

  const start = async (config: object): Promise<void> => {
    proxy = await startProxy(config);
    url = `http://127.0.0.1:${proxy.port('in')}/`;
  };

  beforeEach(() => start(relay(LISTENER, ECHO)));
  afterEach(() => proxy.close());

  for (const [version, flag] of [
    ['HTTP/1.1', '--http1.1'],
    ['HTTP/1.0', '--http1.0'],
    ['HTTP/2 by prior knowledge', '--http2-prior-knowledge'],
  ] as const) {
    describe(version, () => {
      it('answers with what it is sent', async () => {
        expect(await curl([flag, '--data', 'hello', url])).to.equal('hello');
      });

      it('answers nothing with nothing', async () => {
        expect(await curl([flag, '--write-out', '%{http_code} %{size_download}', url])).to.equal('200 0');
      });

      it('carries a mebibyte there and back', async () => {
        const body = randomBytes(1 << 20);
        const answer = await curl([flag, '--data-binary', '@-', url], body);
        expect(sha256(Buffer.from(answer, 'latin1'))).to.equal(sha256(body));
      });

      it('answers HEAD without a body', async () => {
        expect(await curl([flag, '--head', '--write-out', '%{http_code} %{size_download}', '-o', '-', url])).to.match(
          /200 0$/u,
        );
      });
    });
  }

  it('takes a body of chunks', async () => {
    const body = randomBytes(200_000);
    const args = ['--http1.1', '--header', 'Transfer-Encoding: chunked', '--data-binary', '@-', url];
    expect(sha256(Buffer.from(await curl(args, body), 'latin1'))).to.equal(sha256(body));
  });

  it('answers several requests on one connection', async () => {
    const args = ['--http1.1', '--data', 'x', '--write-out', ' %{num_connects}\n', url, url, url];
    expect((await curl(args)).split('\n')).to.deep.equal(['x 1', 'x 0', 'x 0', '']);
  });

  it('tells a client that waits to go on', async () => {
    const args = ['--http1.1', '--expect100-timeout', '5', '--header', 'Expect: 100-continue'];
    const trace = await curl([...args, '--data', 'hello', '--verbose', '--stderr', '-', url]);
    expect(trace).to.include('< HTTP/1.1 100 Continue').and.to.include('< HTTP/1.1 200 OK');
  });

  it('answers a request to upgrade to HTTP/2 in HTTP/1.1', async () => {
    expect(await curl(['--http2', '--write-out', '%{http_version} %{http_code}', url])).to.equal('1.1 200');
  });

  it(`opens a tunnel to CONNECT of ${versionOf('ncat', '--version')}`, async () => {
    const ncat = new Peer('ncat', [
      '--proxy',
      `127.0.0.1:${proxy.port('in')}`,
      '--proxy-type',
      'http',
      '192.0.2.1',
      '7',
    ]);
    try {
      ncat.write('ping');
      await ncat.output(/^ping$/u);
      const { metadata } = proxy.sessions()[0] ?? {};
      expect(metadata).to.have.nested.property('HTTP.url.host', '192.0.2.1');
      expect(metadata).to.have.nested.property('HTTP.url.port', 7);
    } finally {
      await ncat.stop();
    }
  });

  for (const flag of ['--http1.1', '--http2-prior-knowledge']) {
    it(`lets go of a client that vanishes in the middle of its request (${flag})`, async () => {
      const client = new Peer('curl', ['-sS', '--no-buffer', flag, '--upload-file', '.', url]);
      client.write('begin');
      await client.output(/begin/u);
      expect(proxy.sessions()).to.have.lengthOf(1);
      await client.stop();
      await until('the end of the session', () => proxy.sessions().length === 0);
    });
  }

  describe('without a route', () => {
    beforeEach(async () => {
      await proxy.close();
      const rules = [
        {
          match: { op: 'test', path: '/HTTP/url/path', value: '/known' },
          action: { route: { destination: 'out' } },
        },
      ];
      await start({ listeners: [{ name: 'in', spec: LISTENER, rules }], clusters: [{ name: 'out', ...ECHO }] });
    });

    for (const flag of ['--http1.1', '--http2-prior-knowledge']) {
      it(`answers 404, and says why (${flag})`, async () => {
        expect(await curl([flag, '--write-out', '%{http_code}', `${url}nowhere`])).to.equal('Not Found: NO_ROUTE\n404');
      });
    }

    it('answers 404 to a body, too', async () => {
      const args = ['--http1.1', '--data-binary', '@-', '--output', '/dev/null', '--write-out', '%{http_code}'];
      expect(await curl([...args, `${url}nowhere`], randomBytes(300_000))).to.equal('404');
    });

    it('keeps the connection for the next request', async () => {
      const args = ['--http1.1', '--write-out', '%{http_code} %{num_connects}\n', `${url}nowhere`, `${url}known`];
      expect(await curl(args)).to.equal('Not Found: NO_ROUTE\n404 1\n200 0\n');
    });
  });

  it('refuses a head that is too large with 431', async () => {
    const args = ['--http1.1', '--output', '/dev/null', '--write-out', '%{http_code}'];
    expect(await curl([...args, '--header', `x: ${'y'.repeat(20_000)}`, url])).to.equal('431');
  });

  it('serves only the version that is configured', async () => {
    await proxy.close();
    await start(relay({ ...LISTENER, version: '1.1' }, ECHO));
    const args = ['--http2-prior-knowledge', url];
    const error: unknown = await curl(args).catch((reason: unknown) => reason);
    expect(error).to.be.an('error');
    expect(await curl(['--http1.1', '--data', 'x', url])).to.equal('x');
  });
});
