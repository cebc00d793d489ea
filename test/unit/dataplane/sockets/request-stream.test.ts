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
        body: Buffer.from('one two'),
      },
    ]);
    expect(sink.signals).to.deep.equal([
      { type: 'response', status: 200, headers: ['content-type', 'text/plain', 'content-length', '4'] },
    ]);
    expect(sink.events).to.deep.equal(['signal:response', 'data:fine', 'end', 'close']);
  });

  it('may be answered by a body that is made as it is taken, until nobody takes it any more', async () => {
    let made = 0;
    let over = false;
    const body = async function* (gone: AbortSignal): AsyncGenerator<string> {
      try {
        for (; !gone.aborted; made++) {
          await new Promise((resolve) => setImmediate(resolve));
          yield `${made}`;
        }
      } finally {
        over = true;
      }
    };
    const { stream, sink } = request({ HTTP }, () => Promise.resolve({ ...OK, body }));
    stream.end();
    await until('some of it', () => made >= 3);
    stream.pause();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const before = made;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(made, 'nothing is made that nobody takes').to.equal(before);
    stream.resume();
    await until('more of it', () => made > before + 2);
    expect(sink.events.slice(0, 3)).to.deep.equal(['signal:response', 'data:0', 'data:1']);
    stream.destroy();
    await until('its end', () => over);
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
