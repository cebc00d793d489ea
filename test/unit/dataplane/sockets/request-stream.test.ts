import { expect } from 'chai';
import type { Request, Response } from '../../../../dataplane/core/protocol.ts';
import { MAX_BODY, RequestStream } from '../../../../dataplane/sockets/request-stream.ts';
import type { Metadata } from '../../../../dataplane/core/session.ts';
import { RecordingSink } from '../../../support/recording-sink.ts';
import { until } from '../../../support/until.ts';

const OK: Response = { status: 200, headers: { 'content-type': 'text/plain' }, body: 'fine' };

/** A stream whose requests are kept, and answered. */
function request(metadata: Metadata, answer: () => Promise<Response> = () => Promise.resolve(OK)) {
  const requests: Request[] = [];
  const sink = new RecordingSink();
  const stream = new RequestStream(metadata, (asked) => {
    requests.push(asked);
    return answer();
  });
  stream.open(sink);
  return { stream, sink, requests };
}

const HTTP = {
  method: 'POST',
  url: { path: '/api', query: 'recursive=true' },
  headers: { Accept: 'a', Via: ['b', 'c'] },
};

describe('A request that is answered inside the proxy', () => {
  it('has the method, URL, headers and body of the session, and is answered at its end', async () => {
    const { stream, sink, requests } = request({ HTTP });
    stream.write(Buffer.from('one '));
    stream.write(Buffer.from('two'));
    expect(requests).to.deep.equal([]);
    stream.end();
    await until('the close', () => sink.events.includes('close'));
    expect(requests).to.deep.equal([
      {
        method: 'POST',
        url: '/api?recursive=true',
        headers: { accept: 'a', via: 'b, c' },
        local: undefined,
        remote: undefined,
        certificate: undefined,
        session: undefined,
        body: Buffer.from('one two'),
      },
    ]);
    expect(sink.signals).to.deep.equal([
      { type: 'response', status: 200, headers: ['content-type', 'text/plain', 'content-length', '4'] },
    ]);
    expect(sink.events).to.deep.equal(['signal:response', 'data:fine', 'end', 'close']);
  });

  it('says who asks, and where', async () => {
    const metadata = {
      HTTP,
      name: 'one',
      IP: { src_addr: '::1', dst_addr: '10.0.0.1' },
      TCP: { src_port: 4000 },
      TLS: { peer_certificate: { subject: { CN: 'joe', O: ['a', 'b'] } } },
    };
    const { stream, sink, requests } = request(metadata);
    stream.end();
    await until('the close', () => sink.events.includes('close'));
    expect(requests[0]).to.deep.include({
      local: '10.0.0.1',
      remote: '[::1]:4000',
      certificate: 'CN=joe, O=["a","b"]',
      session: 'one',
    });
  });

  describe('whose answer goes on', () => {
    /** Lines that the test says. */
    class Lines implements AsyncIterableIterator<string> {
      readonly waiting: ((result: IteratorResult<string>) => void)[] = [];
      returned = 0;

      next(): Promise<IteratorResult<string>> {
        return new Promise((resolve) => this.waiting.push(resolve));
      }

      return(): Promise<IteratorResult<string>> {
        this.returned++;
        this.waiting.shift()?.({ done: true, value: undefined });
        return Promise.resolve({ done: true, value: undefined });
      }

      [Symbol.asyncIterator](): this {
        return this;
      }

      async says(value: string): Promise<void> {
        await until('it to be read', () => this.waiting.length > 0);
        this.waiting.shift()?.({ done: false, value });
      }
    }

    const start = async (lines: Lines) => {
      const asked = request({ HTTP }, () => Promise.resolve({ status: 200, headers: { a: 'b' }, body: lines }));
      asked.stream.end();
      await until('the head', () => asked.sink.signals.length === 1);
      return asked;
    };

    it('has no length, and ends with it', async () => {
      const lines = new Lines();
      const { sink } = await start(lines);
      expect(sink.signals).to.deep.equal([{ type: 'response', status: 200, headers: ['a', 'b'] }]);
      await lines.says('one');
      await lines.says('two');
      await until('it to be read', () => lines.waiting.length > 0);
      lines.waiting.shift()?.({ done: true, value: undefined });
      await until('the close', () => sink.events.includes('close'));
      expect(sink.events).to.deep.equal(['signal:response', 'data:one', 'data:two', 'end', 'close']);
      expect(lines.returned).to.equal(0);
    });

    it('is not read where the head is all that is asked for', async () => {
      const lines = new Lines();
      const { stream, sink } = request({ HTTP: { ...HTTP, method: 'HEAD' } }, () =>
        Promise.resolve({ status: 200, headers: { a: 'b' }, body: lines }),
      );
      stream.end();
      await until('the close', () => sink.events.includes('close'));
      expect(sink.events).to.deep.equal(['signal:response', 'end', 'close']);
      expect([lines.returned, lines.waiting.length]).to.deep.equal([1, 0]);
    });

    it('is not read while it is paused', async () => {
      const lines = new Lines();
      const { stream, sink } = await start(lines);
      stream.pause();
      await lines.says('one');
      await until('the first', () => sink.events.includes('data:one'));
      expect(lines.waiting).to.have.length(0);
      stream.resume();
      await lines.says('two');
      await until('the second', () => sink.events.includes('data:two'));
      stream.destroy();
    });

    for (const state of ['read', 'paused'] as const) {
      it(`tells that nobody takes it any more, while it is ${state}`, async () => {
        const lines = new Lines();
        const { stream, sink } = await start(lines);
        if (state === 'paused') stream.pause();
        await lines.says('one');
        await until('the first', () => sink.events.includes('data:one'));
        stream.destroy();
        await until('the return', () => lines.returned > 0);
        expect(sink.events.at(-1)).to.equal('close');
      });
    }

    it('tells so where nobody took it from the start', async () => {
      const lines = new Lines();
      let answer: (response: Response) => void = () => undefined;
      const { stream } = request({ HTTP }, () => new Promise((resolve) => (answer = resolve)));
      stream.end();
      stream.destroy();
      answer({ status: 200, headers: {}, body: lines });
      await until('the return', () => lines.returned === 1);
    });
  });

  it('is GET / where the session is not HTTP, and needs no end', async () => {
    const { sink, requests } = request({ IP: { src_addr: '127.0.0.1' } });
    await until('the close', () => sink.events.includes('close'));
    expect(requests).to.deep.equal([{ method: 'GET', url: '/', headers: {}, body: Buffer.alloc(0) }]);
    expect(sink.events).to.include('data:fine');
  });

  for (const [name, url, expected] of [
    ['apart', { path: '/a', query: '?b=c' }, '/a?b=c'],
    ['together', { path: '/a?b=c', query: 'b=c' }, '/a?b=c'],
    ['absent', { path: '/a' }, '/a'],
    ['in one text', '/a?b', '/a?b'],
    ['nonsense', { path: 7, query: {} }, '/'],
    ['missing', undefined, '/'],
  ] as const) {
    it(`takes the query where it is ${name}`, () => {
      const { stream, requests } = request({ HTTP: { method: 'GET', ...(url !== undefined && { url }) } });
      stream.end();
      expect(requests[0]?.url).to.equal(expected);
    });
  }

  it('is answered with 413 where its body is too large, without being asked', () => {
    const { stream, sink, requests } = request({ HTTP });
    stream.write(Buffer.alloc(MAX_BODY));
    expect(sink.events).to.deep.equal([]);
    stream.write(Buffer.alloc(1));
    stream.write(Buffer.alloc(1));
    stream.end();
    expect(requests).to.deep.equal([]);
    expect(sink.signals).to.have.length(1);
    expect(sink.signals[0]).to.include({ type: 'response', status: 413 });
    expect(sink.events.at(-1)).to.equal('close');
  });

  it('is answered with 500 where the answer fails', async () => {
    const { stream, sink } = request({ HTTP }, () => Promise.reject(new Error('broken')));
    stream.end();
    await until('the close', () => sink.events.includes('close'));
    expect(sink.signals[0]).to.include({ status: 500 });
  });

  it('is not answered any more once it is destroyed', async () => {
    let answer: (response: Response) => void = () => undefined;
    const { stream, sink } = request({ HTTP }, () => new Promise((resolve) => (answer = resolve)));
    stream.end();
    stream.destroy();
    answer(OK);
    await new Promise((resolve) => setImmediate(resolve));
    expect(sink.events).to.deep.equal(['close']);
  });
});
