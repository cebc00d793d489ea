/** Whatever a stream has shows through each stream that wraps it, but for what that one changes. */
import { expect } from 'chai';
import { Socket } from 'node:net';
import { ProxyError } from '../../../../common/errors.ts';
import type { Sink, Stream } from '../../../../dataplane/core/stream.ts';
import { framed } from '../../../../dataplane/pipeline/framing.ts';
import { ClientStream } from '../../../../dataplane/protocols/json-socket/client-stream.ts';
import { ServerStream } from '../../../../dataplane/protocols/json-socket/server-stream.ts';
import { HandshakeStream } from '../../../../dataplane/protocols/websocket/handshake-stream.ts';
import { FakeStream } from '../../../support/fake-stream.ts';
import { RecordingSink } from '../../../support/recording-sink.ts';
import { GuardedStream } from '../../../../dataplane/guard/guarded-stream.ts';

type Member = keyof Stream;

/** A value, or a method's arguments: none of them is what a wrapper would say by itself. */
const MEMBERS: {
  readonly [M in Member]-?: NonNullable<Stream[M]> extends (...args: infer Arguments) => unknown
    ? Arguments
    : NonNullable<Stream[M]>;
} = {
  framing: 'bytes',
  reliable: false,
  halfClose: false,
  maxDatagram: 1234,
  retriable: false,
  altered: true,
  isHttpRequest: true,
  httpStatus: 418,
  grpcStatus: 14,
  responds: true,
  unanswered: true,
  flow: [],
  tcpSocket: new Socket(),
  frames: { protocol: 'Test', areWhole: true, follow: () => undefined, lift: () => new FakeStream() },
  adoptFraming: ['bytes'],
  open: [new RecordingSink()],
  write: [Buffer.from('chunk'), true],
  end: [{ code: 1000, message: 'bye' }],
  signal: [{ type: 'trailers', headers: ['a', 'b'] }],
  pause: [],
  resume: [],
  destroy: [new ProxyError('DELETED', 'by the test')],
  connected: [true],
  refuse: [new ProxyError('NO_ROUTE', 'by the test')],
};
const NAMES = Object.keys(MEMBERS) as Member[];

/** Those that every stream has. */
const ALWAYS: readonly Member[] = 'framing reliable halfClose open write end pause resume destroy'.split(
  ' ',
) as Member[];

/** A stream of these members, which keeps what it is called with. */
function probe(names: readonly Member[]) {
  const calls: unknown[][] = [];
  let sink: Sink = new RecordingSink();
  const stream = Object.fromEntries(
    names.map((name) => {
      const value = MEMBERS[name];
      if (!Array.isArray(value)) return [name, value];
      const method = (...args: unknown[]): boolean => {
        calls.push([name, ...args]);
        if (name === 'open') sink = args[0] as Sink;
        return false;
      };
      return [name, method];
    }),
  ) as unknown as Stream;
  return { stream, calls, says: (text: string) => sink.data(Buffer.from(text), true) };
}

function call(stream: Stream, name: Member, args: readonly unknown[]): unknown {
  return (Reflect.get(stream, name) as (...args: unknown[]) => unknown).apply(stream, [...args]);
}

type Probe = ReturnType<typeof probe>;

const WRAPPERS: readonly {
  readonly what: string;
  readonly wrap: (inner: Probe) => Stream;
  /** What it does in its own way. */
  readonly changes: readonly Member[];
}[] = [
  {
    what: 'an explicit framing',
    wrap: ({ stream }) => framed(stream, 'newline'),
    changes: ['flow', 'framing', 'maxDatagram', 'altered', 'adoptFraming', 'open', 'write'],
  },
  {
    what: "a JSONSocket's server",
    wrap: (inner) => {
      const handler = { header: () => undefined, refused: () => undefined, closed: () => undefined };
      const spec = { transport_spec: { protocol: 'Stdio' }, header_timeout: 1000, max_header_bytes: 1000 } as const;
      const stream = new ServerStream(inner.stream, spec, handler);
      stream.start();
      inner.says('{"JSONSocketVersion":1}');
      return stream;
    },
    changes: ['flow', 'altered', 'responds', 'open', 'connected', 'refuse'],
  },
  {
    what: "a JSONSocket's client",
    wrap: (inner) => {
      const stream = new ClientStream(inner.stream, Buffer.from('{"JSONSocketVersion":1}'));
      void stream.answered(new AbortController().signal);
      inner.says('{"JSONSocketVersion":1,"JSONSocketStatus":200}');
      return stream;
    },
    changes: ['flow', 'altered', 'responds', 'open'],
  },
  {
    what: "a WebSocket's handshake that was answered",
    wrap: ({ stream }) => {
      const handshake = new HandshakeStream(new Socket(), (done) => done(stream));
      handshake.open(new RecordingSink());
      handshake.connected();
      return handshake;
    },
    changes: ['open', 'connected'],
  },
  {
    what: 'the guard of plugins',
    wrap: ({ stream }) =>
      new GuardedStream(stream, {
        report: (_, cause) => ProxyError.from(cause),
        opened: () => undefined,
        closed: () => undefined,
      }),
    changes: ['flow', 'open'],
  },
];

describe('A stream that is wrapped', () => {
  for (const { what, wrap, changes } of WRAPPERS) {
    describe(`by ${what}`, () => {
      for (const name of NAMES) {
        if (changes.includes(name)) continue;
        it(`shows its ${name}`, () => {
          const inner = probe(NAMES);
          const outer = wrap(inner);
          inner.calls.length = 0;
          const expected = MEMBERS[name];
          if (Array.isArray(expected)) {
            const answer = call(outer, name, expected);
            expect(inner.calls).to.deep.equal([[name, ...expected]]);
            if (name === 'write') expect(answer).to.equal(false);
          } else {
            expect(Reflect.get(outer, name)).to.equal(expected);
          }
        });
      }

      if (changes.includes('flow')) {
        it('has no packets of its own', () => {
          expect(wrap(probe(NAMES)).flow?.()).to.be.a('string');
        });
      }

      it('lacks what it lacks', () => {
        const inner = probe(ALWAYS);
        const outer = wrap(inner);
        inner.calls.length = 0;
        for (const name of NAMES) {
          if (ALWAYS.includes(name) || changes.includes(name)) continue;
          const expected = MEMBERS[name];
          if (name === 'refuse' || !Array.isArray(expected)) expect(Reflect.get(outer, name), name).to.equal(undefined);
          else call(outer, name, expected);
        }
        expect(inner.calls).to.deep.equal([]);
      });
    });
  }
});

describe("A WebSocket's handshake", () => {
  it('tells the WebSocket what it was told before: the framing, and who listens', () => {
    const inner = probe(NAMES);
    const stream = new HandshakeStream(new Socket(), (done) => done(inner.stream));
    const sink = new RecordingSink();
    stream.adoptFraming('bytes');
    stream.open(sink);
    stream.connected();
    inner.says('hello');
    expect(inner.calls).to.deep.equal([
      ['adoptFraming', 'bytes'],
      ['open', sink],
    ]);
    expect(sink.events).to.deep.equal(['data:hello']);
  });

  it('is not answered where the client has gone', () => {
    const socket = new Socket();
    let upgraded = false;
    const stream = new HandshakeStream(socket, () => (upgraded = true));
    const sink = new RecordingSink();
    stream.open(sink);
    socket.emit('close');
    stream.connected();
    expect([upgraded, ...sink.events]).to.deep.equal([false, 'close']);
  });
});
