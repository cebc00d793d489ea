/** Whatever a stream throws, its session hears one close, with an error that tells where. */
import { expect } from 'chai';
import { ProxyError } from '../../../../common/errors.ts';
import type { Sink, Stream } from '../../../../dataplane/core/stream.ts';
import { GuardedStream } from '../../../../dataplane/guard/guarded-stream.ts';
import { RecordingSink } from '../../../support/recording-sink.ts';

/** A stream that has every member: `fault` throws. */
function faulty(fault: string) {
  let sink: Sink | undefined;
  const calls: string[] = [];
  const stream = new Proxy({} as Stream, {
    get: (_, name) => {
      const member = String(name);
      if (member === fault && VALUES.includes(member)) throw new Error('boom');
      if (VALUES.includes(member)) return undefined;
      return (argument: unknown) => {
        calls.push(member);
        if (member === 'open') sink = argument as Sink;
        if (member === fault) throw new Error('boom');
        return true;
      };
    },
  });
  const live = new Set<GuardedStream>();
  const guarded = new GuardedStream(stream, {
    report: (place, cause) => new ProxyError('INTERNAL', `${place}: ${(cause as Error).message}`),
    opened: (each) => void live.add(each),
    closed: (each) => void live.delete(each),
  });
  const heard = new RecordingSink();
  return { guarded, heard, live, calls, says: () => sink };
}

const VALUES = [
  'framing',
  'reliable',
  'halfClose',
  'maxDatagram',
  'retriable',
  'httpStatus',
  'grpcStatus',
  'responds',
  'unanswered',
];

const USES: Readonly<Record<string, (stream: GuardedStream) => void>> = {
  ...Object.fromEntries(VALUES.map((name) => [name, (stream: GuardedStream) => void Reflect.get(stream, name)])),
  adoptFraming: (stream) => stream.adoptFraming('bytes'),
  write: (stream) => expect(stream.write(Buffer.from('x'), false)).to.equal(true),
  end: (stream) => stream.end(),
  signal: (stream) => stream.signal({ type: 'trailers', headers: [] }),
  pause: (stream) => stream.pause(),
  resume: (stream) => stream.resume(),
  connected: (stream) => stream.connected(false),
  refuse: (stream) => stream.refuse?.(new ProxyError('NO_ROUTE', 'by the test')),
  destroy: (stream) => stream.destroy(),
};

describe("A plugin's stream", () => {
  for (const [fault, use] of Object.entries(USES)) {
    it(`is closed, in a turn of its own, where ${fault} throws`, async () => {
      const { guarded, heard, live, calls } = faulty(fault);
      guarded.open(heard);
      expect([...live]).to.deep.equal([guarded]);
      use(guarded);
      expect(heard.events).to.deep.equal([]);
      await Promise.resolve();
      expect(heard.events).to.deep.equal(['close:INTERNAL']);
      expect(heard.closeError?.message).to.equal(`${fault}: boom`);
      expect(calls).to.contain('destroy');
      expect(live.size).to.equal(0);
    });
  }

  it('is closed where it fails before it is opened', async () => {
    const { guarded, heard } = faulty('framing');
    expect(guarded.framing).to.equal('bytes');
    guarded.open(heard);
    await Promise.resolve();
    expect(heard.events).to.deep.equal(['close:INTERNAL']);
  });

  it('is not heard after it has failed', async () => {
    const { guarded, heard, calls, says } = faulty('write');
    guarded.open(heard);
    guarded.write(Buffer.from('x'), false);
    says()?.data(Buffer.from('late'), false);
    says()?.end();
    guarded.end();
    await Promise.resolve();
    says()?.close();
    expect(heard.events).to.deep.equal(['close:INTERNAL']);
    expect(calls).to.deep.equal(['open', 'write', 'destroy']);
  });

  it('is closed where the session can not take what it says', async () => {
    const { guarded, heard, says } = faulty('');
    guarded.open(heard);
    says()?.signal(undefined as never);
    await Promise.resolve();
    expect(heard.events).to.deep.equal(['close:INTERNAL']);
    expect(heard.closeError?.message).to.match(/^sink\.signal: /u);
  });
});
