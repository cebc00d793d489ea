import { expect } from 'chai';
import fc from 'fast-check';
import { connect, type Socket } from 'node:net';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';

const LISTENER = { protocol: 'HTTP', address: '127.0.0.1', port: 0 };
const ECHO = { spec: { protocol: 'Echo' } };

describe('A connection of an HTTP listener', () => {
  let proxy: TestProxy;

  const start = async (more: object = {}): Promise<void> => {
    proxy = await startProxy(relay({ ...LISTENER, ...more }, ECHO));
  };
  beforeEach(() => start());
  afterEach(() => proxy.close());

  /** What comes back until the server closes; `pieces` are sent one by one, then this side is closed where `end` says so. */
  async function talk(pieces: readonly (string | Buffer)[], end = false): Promise<string> {
    const socket: Socket = connect({ port: proxy.port('in'), host: '127.0.0.1', noDelay: true });
    const received = new Promise<string>((resolve, reject) => {
      let text = '';
      socket.setEncoding('latin1');
      socket.on('data', (part: string) => (text += part));
      socket.on('error', reject);
      socket.on('close', () => resolve(text));
    });
    for (const piece of pieces) {
      socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (end) socket.end();
    return received;
  }

  const LAST = 'GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n';

  it('answers requests that come at once in their order', async () => {
    const posts = ['one', 'two', 'three'].map(
      (body) => `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    const text = await talk([posts.join('') + LAST]);
    expect(text.match(/^(?:one|two|three)\r$/gmu)).to.deep.equal(['one\r', 'two\r', 'three\r']);
    expect(text.match(/HTTP\/1\.1 200 OK/gu)).to.have.lengthOf(4);
  });

  it('reads a request the same however it is cut', async () => {
    const text = `\r\nPOST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n${LAST}`;
    const bytes = Buffer.from(text);
    const plain = (answer: string): string => answer.replace(/\r\n[\da-f]+\r\n/gu, '');
    const whole = plain(await talk([bytes]));
    expect(whole).to.include('hello');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 4 }), async (places) => {
        const at = [...places, bytes.length].sort((a, b) => a - b);
        const pieces = at.map((to, index) => bytes.subarray(at[index - 1] ?? 0, to)).filter(({ length }) => length > 0);
        expect(plain(await talk(pieces)).match(/HTTP\/1\.1 200 OK/gu)).to.have.lengthOf(2);
      }),
      { numRuns: 30 },
    );
  });

  for (const [what, text] of [
    ['both lengths', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['two lengths', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ncontent-length: 40\r\n\r\n'],
    ['an unknown coding', 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n'],
    ['a chunk whose size is none', 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0x1\r\n'],
    ['a folded field', 'GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n'],
    ['a NUL', 'GET / HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n'],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
    ['two Hosts', 'GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n'],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n'],
  ] as const) {
    it(`ends with one answer, 400, after ${what}: nothing behind it is a request`, async () => {
      const answer = await talk([`${text}${LAST}`], true);
      expect(answer)
        .to.match(/^HTTP\/1\.1 400 Bad Request\r\n/u)
        .and.to.include('connection: close');
      expect(answer.match(/HTTP\/1/gu)).to.have.lengthOf(1 + (answer.match(/malformed HTTP\/1/gu)?.length ?? 0));
      expect(proxy.sessions()).to.have.lengthOf(0);
    });
  }

  it('is closed with 400 where a body is cut short', async () => {
    const text = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhell';
    expect(await talk([text], true)).not.to.match(/0\r\n\r\n$/u);
    expect(proxy.sessions()).to.have.lengthOf(0);
  });

  it('is refused with 431 where a head is too large, complete or not', async () => {
    for (const end of ['\r\n\r\n', '']) {
      const text = `GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(17_000)}${end}`;
      expect(await talk([text], true)).to.match(/^HTTP\/1\.1 431 /u);
    }
  });

  it('is closed with 408 where a head trickles in', async () => {
    await proxy.close();
    await start({ header_timeout: 60 });
    expect(await talk(['GET / HTTP/1.1\r\n', 'host: a\r\n'])).to.match(/^HTTP\/1\.1 408 Request Timeout\r\n/u);
  });

  it('is closed when no request comes for a while, before the first and after', async () => {
    await proxy.close();
    await start({ keep_alive_timeout: 60 });
    expect(await talk([])).to.equal('');
    expect(await talk(['GET / HTTP/1.1\r\nhost: a\r\n\r\n'])).to.match(/^HTTP\/1\.1 200 OK\r\n/u);
  });

  it("is kept where HTTP/1.0 asks for it, and closed where it doesn't", async () => {
    expect(await talk(['GET / HTTP/1.0\r\n\r\n'])).to.match(/^HTTP\/1\.1 200 OK\r\n/u);
    const kept = await talk([`GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n${LAST}`]);
    expect(kept).to.include('connection: keep-alive');
    expect(kept.match(/HTTP\/1\.1 200/gu)).to.have.lengthOf(2);
  });

  it('takes a target that names its host, as proxies are asked', async () => {
    const text = 'GET http://other.test:81/a?b HTTP/1.1\r\nhost: other.test:81\r\nconnection: close\r\n\r\n';
    expect(await talk([text])).to.match(/^HTTP\/1\.1 200 OK\r\n/u);
  });

  it('answers a client that has closed its side already', async () => {
    expect(await talk(['POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello'], true)).to.include('hello');
  });
});
