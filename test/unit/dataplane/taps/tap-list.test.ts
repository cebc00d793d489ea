/** Taps by themselves: what their readers are told, within limits, and what the log says of them. */
import { expect } from 'chai';
import { decodeTap } from '../../../../config/decode.ts';
import type { Taps as Limits } from '../../../../gen/l7mp/config/v1/types.ts';
import type { TapEar, TappedSession } from '../../../../dataplane/core/tap.ts';
import type { TapRecord } from '../../../../dataplane/taps/records.ts';
import { TapList } from '../../../../dataplane/taps/tap-list.ts';
import { fakeSession } from '../../../support/admin.ts';
import { recordingLogger } from '../../../support/cluster.ts';

const LIMITS: Limits = { allow: 'loopback', max_taps: 2, max_seconds: 100, queue_bytes: 65_536, bytes_per_second: 0 };
const METADATA = {
  IP: { src_addr: '10.0.0.1', dst_addr: '10.0.0.2' },
  TCP: { src_port: 1, dst_port: 443 },
  HTTP: { headers: { cookie: 'a=b' } },
};

describe('taps', () => {
  let ears: Set<TapEar>;
  let log: ReturnType<typeof recordingLogger>;
  let list: TapList;
  let limits: Limits;

  beforeEach(() => {
    ears = new Set();
    log = recordingLogger();
    limits = LIMITS;
    make();
  });
  afterEach(() => list.close());

  function make(more: Partial<Limits> = {}): void {
    limits = { ...LIMITS, ...more };
    const point = {
      listen: (ear: TapEar) => {
        ears.add(ear);
        return () => void ears.delete(ear);
      },
    };
    const listener = (name: string) => (name === 'in' ? { protocol: 'HTTP', framing: 'none' } : undefined);
    list = new TapList({ limits, point, parties: { listener, cluster: () => undefined }, log });
  }

  function start(request: object = {}, watcher: object = { remote: '127.0.0.1:9' }) {
    const { value, faults } = decodeTap({ listener: 'in', ...request });
    if (!value) throw new Error(JSON.stringify(faults));
    const reader = list.start(value, () => true, watcher);
    const ear = [...ears].at(-1);
    if (!ear) throw new Error('nobody listens');
    return { reader, ear };
  }

  const wire = { framing: 'bytes', reliable: true, flow: undefined } as const;
  const session = (overrides: Parameters<typeof fakeSession>[0] = {}): TappedSession => ({
    view: fakeSession({ id: 7, name: 's', startedAt: Date.now() + 1000, metadata: METADATA, ...overrides }),
    wire,
  });

  /** All that is there to be read. */
  async function read(reader: AsyncIterator<string>): Promise<TapRecord[]> {
    const next = (await reader.next()) as IteratorResult<string, undefined>;
    return (next.value ?? '')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as TapRecord);
  }

  const say = (ear: TapEar, text: string | Buffer, one = session(), isText = false): void =>
    ear.data(one, 'in', Buffer.from(text), isText);

  it('tell what is tapped, then of a session before what it says, and what became of it', async () => {
    const { reader, ear } = start({ session: undefined });
    const one = session();
    say(ear, 'hello', one, true);
    ear.signal(one, 'out', { type: 'response', status: 200, reason: 'Fine', headers: ['Set-Cookie', 'x', 'a', 'b'] });
    ear.data(one, 'out', Buffer.from([0xff, 0]), false);
    ear.signal(one, 'out', { type: 'trailers', headers: ['t', 'u'] });
    ear.end(one, 'out', { code: 1000, message: 'bye' });
    ear.unheard(one, 'one side has closed');
    ear.closed(session({ reason: 'PEER_RESET', httpStatus: 200 }));
    const [first, about, ...others] = await read(reader);
    expect(first).to.deep.include({ type: 'start', tap: 1 });
    expect(about).to.deep.include({
      type: 'session',
      id: 7,
      session: 's',
      side: 'client',
      listener: { name: 'in', protocol: 'HTTP', framing: 'none' },
      cluster: { name: 'out' },
      endpoint: 'out-EndPoint-1',
      ends: {
        transport: 'tcp',
        from: { address: '10.0.0.1', port: 1 },
        to: { address: '10.0.0.2', port: 443 },
        bare: false,
      },
      framing: 'bytes',
    });
    expect(about).to.have.nested.property('metadata.HTTP.headers.cookie', '<REDACTED>');
    expect(about).to.not.have.property('joined');
    const timeless = others.map((record) => ({ ...record, time: 0 }));
    expect(timeless).to.deep.equal([
      { type: 'data', time: 0, id: 7, direction: 'in', offset: 0, length: 5, payload: 'hello', text: true },
      {
        type: 'head',
        time: 0,
        id: 7,
        direction: 'out',
        status: 200,
        reason: 'Fine',
        headers: ['Set-Cookie', '<REDACTED>', 'a', 'b'],
      },
      { type: 'data', time: 0, id: 7, direction: 'out', offset: 0, length: 2, payload: '/wA=', encoding: 'base64' },
      { type: 'trailers', time: 0, id: 7, direction: 'out', headers: ['t', 'u'] },
      { type: 'end', time: 0, id: 7, direction: 'out', code: 1000, message: 'bye' },
      {
        type: 'note',
        time: 0,
        id: 7,
        message: 'the kernel goes on relaying it, so that what passes there is not seen: one side has closed',
      },
      { type: 'close', time: 0, id: 7, reason: 'PEER_RESET', status: 200, cluster: 'out', endpoint: 'out-EndPoint-1' },
    ]);
    const times = [first, about, ...others].map((record) => record?.time ?? 0);
    expect(times).to.deep.equal(times.toSorted((a, b) => a - b));
    expect(Math.abs((times[0] ?? 0) - Date.now())).to.be.below(5000);
  });

  it('count what passes, however much of it is shown', async () => {
    const { reader, ear } = start({ redact: ['payload:/pin'] });
    say(ear, '{"pin":1234567890123456}');
    say(ear, '{"pin":1}');
    say(ear, '{}');
    const data = (await read(reader)).filter((record) => record.type === 'data');
    expect(data.map(({ offset, length, payload }) => [offset, length, payload])).to.deep.equal([
      [0, 24, '{"pin":"<REDACTED>"}'],
      [24, 9, '{"pin":"<REDACTED>"}'],
      [33, 2, '{}'],
    ]);
    expect(list.list()[0]).to.deep.include({ messages: 3, bytes: 35 });
  });

  it('give so much of each message, and count all of it', async () => {
    const { reader, ear } = start({ bytes: 3 });
    say(ear, 'abcdef');
    say(ear, 'gh');
    const data = (await read(reader)).filter(({ type }) => type === 'data');
    expect(data.map((record) => ({ ...record, time: 0 }))).to.deep.equal([
      { type: 'data', time: 0, id: 7, direction: 'in', offset: 0, length: 6, payload: 'abc' },
      { type: 'data', time: 0, id: 7, direction: 'in', offset: 6, length: 2, payload: 'gh' },
    ]);
    expect(list.list()[0]).to.deep.include({ id: 1, remote: '127.0.0.1:9', sessions: 1, messages: 2, bytes: 8 });
  });

  it('show nothing of payloads that are redacted, but how long they are', async () => {
    const { reader, ear } = start({ redact: ['payload'] });
    say(ear, 'secret');
    const [data] = (await read(reader)).filter(({ type }) => type === 'data');
    expect(data).to.include({ length: 6, redacted: true }).and.not.have.property('payload');
  });

  it('say of a session that it had begun before', async () => {
    const { reader, ear } = start();
    say(ear, 'a', session({ startedAt: Date.now() - 1000 }));
    expect((await read(reader))[1]).to.include({ joined: true });
  });

  for (const [what, watched, isWanted] of [
    ['sessions of its listener', {}, true],
    ['none of another', { listener: 'other' }, false],
    ['none that carries a tap', { name: 'carrier' }, false],
  ] as const) {
    it(`looks at ${what}`, () => {
      const { ear } = start({}, { session: 'carrier' });
      expect(ear.wants(session(watched).view)).to.equal(isWanted);
    });
  }

  it('ends after so many messages, and its reader is told', async () => {
    const { reader, ear } = start({ count: 2 });
    for (const text of ['a', 'b', 'c']) say(ear, text);
    const records = await read(reader);
    expect(records.filter(({ type }) => type === 'data')).to.have.length(2);
    expect(records.at(-1)).to.deep.include({
      type: 'stop',
      reason: '2 messages have passed',
      sessions: 1,
      messages: 2,
      bytes: 2,
      dropped: { messages: 0, bytes: 0 },
    });
    expect((await reader.next()).done).to.equal(true);
    expect([ears.size, list.list().length]).to.deep.equal([0, 0]);
  });

  it('ends when its time is over', async () => {
    const { reader } = start({ seconds: 1 });
    await read(reader);
    expect((await read(reader))[0]).to.include({ type: 'stop', reason: '1 s are over' });
    expect(ears.size).to.equal(0);
  });

  it('ends with its session', async () => {
    const { reader, ear } = start({ listener: undefined, session: 's' });
    say(ear, 'a');
    ear.closed(session({ reason: 'OK' }));
    expect((await read(reader)).at(-1)).to.include({ type: 'stop', reason: 'its session has ended' });
  });

  it('drops what a slow reader has no room for, tells where, and how much in the end', async () => {
    const { reader, ear } = start({ bytes: 65_536 });
    const large = 'x'.repeat(30_000);
    for (let count = 0; count < 5; count++) say(ear, large);
    expect((await read(reader)).map(({ type }) => type)).to.deep.equal(['start', 'session', 'data', 'data']);
    say(ear, 'more');
    const [dropped, data] = await read(reader);
    expect(dropped).to.include({ type: 'dropped', messages: 3, bytes: 90_000 });
    expect(data).to.include({ type: 'data', offset: 150_000, payload: 'more' });
    list.stop(1, 'enough');
    expect((await read(reader))[0]).to.deep.include({
      type: 'stop',
      reason: 'enough',
      messages: 3,
      dropped: { messages: 3, bytes: 90_000 },
    });
  });

  it('drops what is too much a second', async () => {
    make({ bytes_per_second: 1000 });
    const { reader, ear } = start();
    for (let count = 0; count < 5; count++) say(ear, 'x'.repeat(400));
    const records = await read(reader);
    expect(records.filter(({ type }) => type === 'data').length).to.be.within(2, 3);
    expect(list.list()[0]?.dropped.messages).to.be.within(2, 3);
  });

  it('ends when its reader goes, and keeps nothing', async () => {
    const { reader, ear } = start();
    await reader.return?.();
    expect(ears.size).to.equal(0);
    say(ear, 'a');
    expect(list.list()).to.deep.equal([]);
    expect(log.fields.at(-1)).to.include({ reason: 'its reader has gone' });
  });

  it('are as many as may be, and as long', () => {
    start();
    expect(() => start({ seconds: 101 })).to.throw('seconds: expected at most 100 (admin.taps.max_seconds), found 101');
    start();
    expect(() => start()).to.throw('expected fewer than 2 taps (admin.taps.max_taps), found as many');
    list.stop(1, 'enough');
    start();
    expect(list.stop(9, 'enough')).to.equal(false);
  });

  it('are summed up, those that have ended with those that run', () => {
    expect(list.sums()).to.deep.equal({ active: 0, started: 0, messages: 0, bytes: 0, dropped: 0 });
    const { ear: first } = start({ bytes: 65_536 });
    for (let count = 0; count < 5; count++) say(first, 'x'.repeat(30_000));
    list.stop(1, 'enough');
    say(start().ear, 'abc');
    expect(list.sums()).to.deep.equal({ active: 1, started: 2, messages: 3, bytes: 60_003, dropped: 3 });
    list.close();
    expect(list.sums()).to.deep.equal({ active: 0, started: 2, messages: 3, bytes: 60_003, dropped: 3 });
  });

  it('leave a line in the log when they begin and when they end', () => {
    const watcher = { remote: '127.0.0.1:9', certificate: 'CN=joe', session: 'HTTP:1' };
    const { ear } = start({ redact: ['X-Key'] }, watcher);
    say(ear, 'abc');
    list.close();
    list.refused(watcher, 'expected another address');
    expect(log.lines).to.deep.equal(['info: a tap was started', 'info: a tap has ended', 'warn: a tap was refused']);
    const [begun, ended, refused] = log.fields;
    expect(begun).to.deep.include({ audit: true, tap: 1, ...watcher });
    expect(begun).to.have.nested.property('request.listener', 'in');
    expect(begun).to.deep.nested.include({ 'request.redact': ['X-Key'] });
    expect(ended).to.deep.include({
      audit: true,
      tap: 1,
      ...watcher,
      reason: 'the proxy is stopping',
      sessions: 1,
      messages: 1,
      bytes: 3,
      dropped_messages: 0,
      dropped_bytes: 0,
    });
    expect(refused).to.deep.equal({ audit: true, ...watcher, reason: 'expected another address' });
  });
});
