import { expect } from 'chai';
import fc from 'fast-check';
import {
  BodyDecoder,
  type BodyKind,
  fieldOf,
  findHeadEnd,
  formatFields,
  formatLastChunk,
  parseRequestHead,
  parseResponseHead,
  requestBody,
  type RequestHead,
  responseBody,
  type ResponseHead,
  wantsTunnel,
} from '../../../../../dataplane/protocols/http/codec.ts';
import { ProxyError } from '../../../../../common/errors.ts';

function request(text: string): RequestHead {
  const bytes = Buffer.from(text, 'latin1');
  return parseRequestHead(bytes, 0, findHeadEnd(bytes, 0));
}

function response(text: string): ResponseHead {
  const bytes = Buffer.from(text, 'latin1');
  return parseResponseHead(bytes, 0, findHeadEnd(bytes, 0));
}

/** A request with these lines between its first and its empty one. */
const withFields = (...lines: string[]): RequestHead =>
  request(['POST / HTTP/1.1', 'host: a', ...lines, '', ''].join('\r\n'));

const answering = (...lines: string[]): ResponseHead => response(['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n'));

const malformed = (action: () => unknown): void => {
  expect(action).to.throw(ProxyError).with.property('code', 'PROTOCOL_ERROR');
};

interface Decoded {
  readonly body: string;
  readonly trailers: readonly string[];
  readonly done: boolean;
  /** What is behind the body. */
  readonly rest: string;
}

/** Decodes what comes in these chunks. */
function decode(kind: BodyKind, chunks: readonly Buffer[]): Decoded {
  const parts: Buffer[] = [];
  const trailers: string[] = [];
  const decoder = new BodyDecoder(kind, {
    bodyData: (chunk) => parts.push(chunk),
    bodyTrailers: (list) => trailers.push(...list),
  });
  let rest = '';
  for (const chunk of chunks) rest += chunk.toString('latin1', decoder.push(chunk, 0));
  return { body: Buffer.concat(parts).toString('latin1'), trailers, done: decoder.done, rest };
}

const CHUNKED = { kind: 'chunked' } as const;
const decodeText = (text: string): Decoded => decode(CHUNKED, [Buffer.from(text, 'latin1')]);

/** Bytes cut at these places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return at.map((end, index) => bytes.subarray(at[index - 1] ?? 0, end));
}

const token = fc.stringMatching(/^[!#$%&'*+.^_`|~\dA-Za-z-]{1,12}$/u);
const value = fc.stringMatching(/^(?:[!-~\xa0-\xff](?:[\t -~\xa0-\xff]{0,20}[!-~\xa0-\xff])?)?$/u);
const fields = fc.array(
  fc.tuple(
    token.filter((name) => !/^(host|content-length|transfer-encoding|connection|te|upgrade|trailer)$/iu.test(name)),
    value,
  ),
  { maxLength: 8 },
);

describe("HTTP/1.1's heads", () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(token, fields, (method, list) => {
        const text = `${method} /path?query HTTP/1.1\r\nhost: example.test:80\r\n${formatFields(list.flat())}\r\n`;
        const head = request(text);
        expect(head).to.include({ method, target: '/path?query', minor: 1 });
        expect(head.names).to.deep.equal(['host', ...list.map(([name]) => name)]);
        expect(head.keys).to.deep.equal(['host', ...list.map(([name]) => name.toLowerCase())]);
        expect(head.values).to.deep.equal(['example.test:80', ...list.map(([, text_]) => text_)]);
      }),
    );
  });

  it('are incomplete wherever they are cut', () => {
    const bytes = Buffer.from('GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n');
    for (let length = 0; length < bytes.length; length++) {
      expect(findHeadEnd(bytes.subarray(0, length), 0)).to.equal(-1);
    }
    expect(findHeadEnd(Buffer.concat([bytes, bytes]), 0)).to.equal(bytes.length);
    expect(findHeadEnd(Buffer.concat([bytes, bytes]), bytes.length)).to.equal(2 * bytes.length);
  });

  it('are understood or refused, whatever they hold', () => {
    const parts = fc.constantFrom(
      'GET',
      ' ',
      '/',
      'HTTP/1.1',
      '\r\n',
      '\r',
      '\n',
      ':',
      'host',
      'a',
      '\0',
      '\t',
      '1',
      'x: y',
    );
    const soup = fc.oneof(
      fc.array(parts, { maxLength: 20 }).map((list) => Buffer.from(list.join(''), 'latin1')),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(soup, (bytes) => {
        const whole = Buffer.concat([bytes, Buffer.from('\r\n\r\n')]);
        for (const parse of [parseRequestHead, parseResponseHead]) {
          try {
            const { names, values } = parse(whole, 0, findHeadEnd(whole, 0));
            expect([...names, ...values].join('')).not.to.match(/[\r\n\0]/u);
          } catch (error) {
            if (!(error instanceof ProxyError)) throw error;
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  for (const [what, line] of [
    ['another version', 'GET / HTTP/1.2'],
    ['HTTP/2', 'GET / HTTP/2.0'],
    ['HTTP/0.9', 'GET /'],
    ['two spaces', 'GET  / HTTP/1.1'],
    ['a tab', 'GET\t/ HTTP/1.1'],
    ['a space in the target', 'GET /a b HTTP/1.1'],
    ['a space behind', 'GET / HTTP/1.1 '],
    ['a method that is no token', 'G(T / HTTP/1.1'],
    ['a NUL', 'GET /\0 HTTP/1.1'],
    ['a bare CR', 'GET /\r HTTP/1.1'],
    ['a bare LF in front of a field', 'GET / HTTP/1.1\nx: y'],
    ['version in lower case', 'GET / http/1.1'],
  ] as const) {
    it(`are refused where the first line has ${what}`, () => malformed(() => request(`${line}\r\nhost: a\r\n\r\n`)));
  }

  for (const [what, line] of [
    ['a folded line', 'x: a\r\n b'],
    ['a folded line in front of all others', ' x: a'],
    ['a space before the colon', 'x : a'],
    ['no colon', 'xa'],
    ['no name', ': a'],
    ['a NUL in the value', 'x: a\0b'],
    ['a bare CR in the value', 'x: a\rb'],
    ['a bare LF in the value', 'x: a\nb: c'],
    ['a DEL in the value', 'x: a\x7f'],
    ['other white space around the value', 'x: \x0ba'],
    ['a name that is no token', 'x(y: a'],
    ['a name outside of ASCII', 'x\xe9: a'],
  ] as const) {
    it(`are refused where a field has ${what}`, () => malformed(() => withFields(line)));
  }

  it('keep a no-break space, which is no white space', () => {
    expect(fieldOf(withFields('x: \xa0a\xa0 \t'), 'x')).to.equal('\xa0a\xa0');
  });

  it('have at most 256 fields', () => {
    expect(withFields(...Array<string>(255).fill('x: y')).names).to.have.lengthOf(256);
    expect(() => withFields(...Array<string>(256).fill('x: y')))
      .to.throw(ProxyError)
      .with.property('code', 'TOO_LARGE');
  });

  it('have one Host, which HTTP/1.0 may leave out', () => {
    expect(request('GET / HTTP/1.0\r\n\r\n').minor).to.equal(0);
    malformed(() => request('GET / HTTP/1.1\r\n\r\n'));
    malformed(() => withFields('Host: a'));
  });

  for (const host of ['', 'a', 'a.test:80', '[::1]', '[::1]:8080', '127.0.0.1:1', 'a_b']) {
    it(`may have the Host '${host}'`, () => {
      expect(fieldOf(request(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`), 'host')).to.equal(host);
    });
  }

  for (const host of ['a b', 'a/b', 'user@a', 'a:b', '[::1', 'a?b', 'http://a']) {
    it(`can't have the Host '${host}'`, () => malformed(() => request(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`)));
  }

  it('of responses may have no reason', () => {
    expect(response('HTTP/1.1 200\r\n\r\n')).to.include({ status: 200, reason: '' });
    expect(response('HTTP/1.0 404 Not Found\r\n\r\n')).to.include({ status: 404, reason: 'Not Found', minor: 0 });
  });

  for (const line of [
    'HTTP/1.1 99 x',
    'HTTP/1.1 1000 x',
    'HTTP/1.1 600 x',
    'HTTP/1.1  200 x',
    'HTTP/2 200',
    'SSH-2.0',
  ]) {
    it(`of responses can't begin with '${line}'`, () => malformed(() => response(`${line}\r\n\r\n`)));
  }

  it('never carry what a rewrite may have smuggled into a field', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (list) => {
        const text = formatFields(list);
        expect(
          text
            .split('\r\n')
            .slice(0, -1)
            .every((line) => /^[^\s:]+: [^\r\n\0]*$/u.test(line)),
        ).to.equal(true);
      }),
    );
    expect(formatFields(['a', 'b\r\nc: d', 'e', 'f'])).to.equal('e: f\r\n');
  });
});

describe("HTTP/1.1's framing", () => {
  it('of requests is none, a length or chunks', () => {
    expect(requestBody(withFields())).to.deep.equal({ kind: 'none' });
    expect(requestBody(withFields('content-length: 0'))).to.deep.equal({ kind: 'none' });
    expect(requestBody(withFields('content-length: 5'))).to.deep.equal({ kind: 'length', length: 5 });
    expect(requestBody(withFields('content-length: 5', 'Content-Length: 5'))).to.deep.equal({
      kind: 'length',
      length: 5,
    });
    expect(requestBody(withFields('Transfer-Encoding: Chunked'))).to.deep.equal(CHUNKED);
  });

  for (const lines of [
    ['content-length: 5', 'transfer-encoding: chunked'],
    ['transfer-encoding: chunked', 'content-length: 0'],
    ['content-length: 5', 'content-length: 6'],
    ['content-length: 5, 5'],
    ['content-length: 5,6'],
    ['content-length: -5'],
    ['content-length: +5'],
    ['content-length: 0x5'],
    ['content-length: 5 5'],
    ['content-length: 5.0'],
    ['content-length: 1e3'],
    ['content-length:'],
    ['content-length: 99999999999999999999'],
    ['transfer-encoding: identity'],
    ['transfer-encoding: chunked, identity'],
    ['transfer-encoding: gzip, chunked'],
    ['transfer-encoding: chunked', 'transfer-encoding: chunked'],
    ['transfer-encoding: xchunked'],
    ['transfer-encoding: chunked;q=1'],
    ['transfer-encoding: "chunked"'],
    ['transfer-encoding:'],
  ]) {
    it(`is refused in '${lines.join("' and '")}'`, () => {
      malformed(() => requestBody(withFields(...lines)));
      malformed(() => responseBody(answering(...lines), 'GET'));
    });
  }

  it('of HTTP/1.0 knows no chunks', () => {
    malformed(() => requestBody(request('POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n')));
    malformed(() => responseBody(response('HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'), 'GET'));
  });

  it('of CONNECT is none', () => {
    malformed(() => requestBody(request('CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\ncontent-length: 5\r\n\r\n')));
  });

  it('of responses depends on what was asked, and on the status', () => {
    expect(responseBody(answering('content-length: 5'), 'GET')).to.deep.equal({ kind: 'length', length: 5 });
    expect(responseBody(answering('content-length: 5'), 'HEAD')).to.deep.equal({ kind: 'none' });
    expect(responseBody(answering(), 'GET')).to.deep.equal({ kind: 'close' });
    for (const status of [100, 103, 204, 304]) {
      const head = response(`HTTP/1.1 ${status} x\r\ncontent-length: 5\r\n\r\n`);
      expect(responseBody(head, 'GET')).to.deep.equal({ kind: 'none' });
    }
  });

  it('gives the connection away for CONNECT and upgrades, but not to h2c', () => {
    expect(wantsTunnel(request('CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n'))).to.equal(true);
    expect(wantsTunnel(withFields('connection: keep-alive, Upgrade', 'upgrade: websocket'))).to.equal(true);
    expect(wantsTunnel(withFields('upgrade: websocket'))).to.equal(false);
    expect(wantsTunnel(withFields('connection: upgrade'))).to.equal(false);
    expect(wantsTunnel(withFields('connection: upgrade', 'upgrade: h2c'))).to.equal(false);
    expect(wantsTunnel(withFields('connection: upgrade', 'upgrade: websocket, H2C'))).to.equal(false);
    expect(wantsTunnel(withFields('connection: upgrade', 'upgrade: a', 'content-length: 1'))).to.equal(false);
  });
});

describe("HTTP/1.1's bodies", () => {
  const places = fc.array(fc.nat(), { maxLength: 30 });

  it('of a length end behind it, wherever chunks do', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), fc.uint8Array(), places, (body, rest, at) => {
        const bytes = Buffer.concat([body, rest]);
        expect(decode({ kind: 'length', length: body.length }, cut(bytes, at))).to.deep.equal({
          body: Buffer.from(body).toString('latin1'),
          trailers: [],
          done: true,
          rest: Buffer.from(rest).toString('latin1'),
        });
      }),
    );
  });

  it('of chunks are put together, with trailers, wherever they are cut', () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 5 });
    fc.assert(
      fc.property(chunks, fields, fc.uint8Array(), places, (parts, list, rest, at) => {
        const bytes = Buffer.concat([
          ...parts.flatMap((part) => [
            Buffer.from(`${part.length.toString(16)};ext="a b"\r\n`),
            part,
            Buffer.from('\r\n'),
          ]),
          Buffer.from(formatLastChunk(list.flat()), 'latin1'),
          rest,
        ]);
        expect(decode(CHUNKED, cut(bytes, at))).to.deep.equal({
          body: Buffer.concat(parts).toString('latin1'),
          trailers: list.flat(),
          done: true,
          rest: Buffer.from(rest).toString('latin1'),
        });
      }),
    );
  });

  it('of chunks are not done wherever they end too early', () => {
    const bytes = Buffer.from('5\r\nhello\r\n0\r\nx: y\r\n\r\n');
    for (let length = 0; length < bytes.length; length++) {
      expect(decode(CHUNKED, [bytes.subarray(0, length)]).done, `after ${length} bytes`).to.equal(false);
    }
    expect(decode(CHUNKED, [bytes])).to.deep.equal({ body: 'hello', trailers: ['x', 'y'], done: true, rest: '' });
  });

  for (const [what, text] of [
    ['no size', '\r\n'],
    ['a size with a sign', '-5\r\nhello'],
    ['a size with a plus', '+5\r\nhello'],
    ['a size with 0x', '0x5\r\nhello'],
    ['a size that is no number', 'g\r\n'],
    ['a space before the size', ' 5\r\nhello'],
    ['a size with an underscore', '1_0\r\n'],
    ['a size past what a number holds', 'fffffffffffffffff\r\n'],
    ['a size that ends with LF alone', '5\nhello'],
    ['a bare CR in an extension', '5;a\rb\r\nhello'],
    ['a NUL in an extension', '5;\0\r\nhello'],
    ['more than its size', '5\r\nhelloX\r\n'],
    ['less than its size', '5\r\nhell\r\n0\r\n\r\n'],
    ['no CRLF behind it', '5\r\nhello0\r\n\r\n'],
    ['LF alone behind it', '5\r\nhello\n0\r\n\r\n'],
    ['trailers that end with LF alone', '0\r\nx: y\n\r\n'],
    ['a folded trailer', '0\r\nx: y\r\n z\r\n\r\n'],
    ['a trailer with a space before the colon', '0\r\nx : y\r\n\r\n'],
  ] as const) {
    it(`of chunks are refused where one has ${what}`, () => malformed(() => decodeText(text)));
  }

  it('of chunks have short extensions, and bounded trailers', () => {
    for (const text of [`5;${'x'.repeat(300)}`, `0\r\n${'x: y\r\n'.repeat(4000)}`, '0'.repeat(300)]) {
      expect(() => decodeText(text))
        .to.throw(ProxyError)
        .with.property('code', 'TOO_LARGE');
    }
  });

  it('end with the connection only where nothing else says so', () => {
    const sink = { bodyData: () => undefined, bodyTrailers: () => undefined };
    expect(new BodyDecoder({ kind: 'close' }, sink).end()).to.equal(true);
    expect(new BodyDecoder({ kind: 'length', length: 1 }, sink).end()).to.equal(false);
    expect(new BodyDecoder(CHUNKED, sink).end()).to.equal(false);
  });

  it('are not followed by fields that say how a message is framed', () => {
    const trailers = ['Content-Length', '5', 'transfer-encoding', 'chunked', 'Host', 'b', 'x', 'y'];
    expect(formatLastChunk(trailers)).to.equal('0\r\nx: y\r\n\r\n');
  });

  it('are understood or refused, whatever they hold', () => {
    const parts = fc.constantFrom('0', '5', 'a', '\r\n', '\r', '\n', ';', 'hello', ': ', '\0', 'ff');
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 30 }), places, (list, at) => {
        const bytes = Buffer.from(list.join(''), 'latin1');
        const outcome = (chunks: readonly Buffer[]): unknown => {
          try {
            return decode(CHUNKED, chunks);
          } catch (error) {
            if (!(error instanceof ProxyError)) throw error;
            return error.code;
          }
        };
        expect(outcome(cut(bytes, at))).to.deep.equal(outcome([bytes]));
      }),
      { numRuns: 1000 },
    );
  });
});
