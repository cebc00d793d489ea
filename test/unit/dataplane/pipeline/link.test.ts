import { expect } from 'chai';
import type { DirectionCounters } from '../../../../dataplane/core/session.ts';
import { Gates, RateGate } from '../../../../dataplane/pipeline/gate.ts';
import { type Gate, Link } from '../../../../dataplane/pipeline/link.ts';
import { TokenBucket } from '../../../../common/token-bucket.ts';
import { stopClock } from '../../../support/cluster.ts';
import { type FakeOptions, FakeStream } from '../../../support/fake-stream.ts';
import { RecordingSink } from '../../../support/recording-sink.ts';

const QUEUE_LIMIT = 3;

interface TestLink {
  readonly link: Link;
  readonly reader: FakeStream;
  readonly writer: FakeStream;
  readonly counters: DirectionCounters;
  readonly finished: Link[];
  readonly push: (...texts: string[]) => void;
}

function testLink(readerIs: FakeOptions = {}, writerIs: FakeOptions = {}): TestLink {
  const counters = { bytes: 0, packets: 0, dropped: 0 };
  const finished: Link[] = [];
  const link = new Link({ linkFinished: (each) => finished.push(each) }, counters, QUEUE_LIMIT);
  const [reader, writer] = [new FakeStream(readerIs), new FakeStream(writerIs)];
  reader.open(new RecordingSink());
  writer.open(new RecordingSink());
  link.setReader(reader);
  return {
    link,
    reader,
    writer,
    counters,
    finished,
    push: (...texts) => texts.forEach((text) => link.push(Buffer.from(text), false)),
  };
}

/** Pauses and resumes of a stream, in order. */
const flowOf = ({ calls }: FakeStream): string[] => calls.filter((call) => call === 'pause' || call === 'resume');

describe('A link', () => {
  it('pauses a reliable reader whose beginning is long while there is no writer, and loses nothing', () => {
    const { link, reader, writer, push } = testLink();
    const long = 'b'.repeat(16 * 1024);
    push('a');
    expect(flowOf(reader)).to.deep.equal([]);
    push(long, 'c', 'd');
    expect(flowOf(reader)).to.deep.equal(['pause']);
    link.setWriter(writer);
    expect(writer.written).to.deep.equal(['a', long, 'c', 'd']);
    expect(flowOf(reader)).to.deep.equal(['pause', 'resume']);
  });

  it('holds the reader back while the writer is full, and keeps what still comes', () => {
    const { link, reader, writer, counters, push } = testLink();
    link.setWriter(writer);
    writer.room = false;
    push('a', 'b');
    expect(writer.written).to.deep.equal(['a']);
    expect(flowOf(reader)).to.deep.equal(['pause']);
    link.drain(); // there is room for one
    expect(writer.written).to.deep.equal(['a', 'b']);
    expect(flowOf(reader)).to.deep.equal(['pause']);
    writer.room = true;
    link.drain();
    expect(flowOf(reader)).to.deep.equal(['pause', 'resume']);
    expect(counters).to.deep.equal({ bytes: 2, packets: 2, dropped: 0 });
  });

  it('drops the oldest of what an unreliable reader sends meanwhile, and counts them', () => {
    const { link, reader, writer, counters, push } = testLink({ framing: 'datagrams', reliable: false });
    push('1', '2', '3', '4', '5');
    expect(counters).to.deep.equal({ bytes: 5, packets: 5, dropped: 2 });
    expect(flowOf(reader)).to.deep.equal([]);
    link.setWriter(writer);
    expect(writer.written).to.deep.equal(['3', '4', '5']);
  });

  it('bounds what waits for an unreliable reader by its bytes, too', () => {
    const { link, writer, counters } = testLink({ reliable: false });
    for (const letter of ['a', 'b', 'c']) link.push(Buffer.alloc(2 * 1024 * 1024, letter), false);
    link.setWriter(writer);
    expect(writer.written.map((text) => text.charAt(0))).to.deep.equal(['b', 'c']);
    expect(counters.dropped).to.equal(1);
    for (const letter of ['d', 'e']) link.push(Buffer.alloc(2 * 1024 * 1024, letter), false);
    expect(counters.dropped).to.equal(1);
  });

  it('ends the writer after what waits, with the reason', () => {
    const { link, writer, finished, push } = testLink();
    push('a');
    link.finish({ code: 4000, message: 'bye' });
    expect(link.finished).to.equal(false);
    link.setWriter(writer);
    expect(writer.written).to.deep.equal(['a']);
    expect(writer.endReason).to.deep.equal({ code: 4000, message: 'bye' });
    expect(finished).to.deep.equal([link]);
    push('late');
    expect(writer.written).to.deep.equal(['a']);
  });

  it('ends the writer once it has taken the last chunk, also where it is full then', () => {
    const { link, writer, push } = testLink();
    link.setWriter(writer);
    writer.room = false;
    push('a', 'b');
    link.finish();
    link.drain();
    expect(writer.written).to.deep.equal(['a', 'b']);
    expect(writer.calls).to.include('end');
  });

  it('keeps everything while a writer is being connected again', () => {
    const { link, writer, push } = testLink();
    link.setWriter(writer);
    push('a');
    link.setWriter(undefined);
    push('b');
    const next = new FakeStream();
    next.open(new RecordingSink());
    link.setWriter(next);
    push('c');
    expect(writer.written).to.deep.equal(['a']);
    expect(next.written).to.deep.equal(['b', 'c']);
  });

  it('drops what waits when nothing can be written any more, and lets the reader go on to its end', () => {
    const { link, reader, push } = testLink();
    push('a'.repeat(16 * 1024 + 1));
    link.discard();
    push('b');
    expect(flowOf(reader)).to.deep.equal(['pause', 'resume']);
    expect(link.finished).to.equal(true);
  });

  it('cuts bytes to the datagrams that the writer takes, and leaves messages whole', () => {
    const bytes = testLink({}, { framing: 'datagrams', maxDatagram: 3 });
    bytes.link.setWriter(bytes.writer);
    bytes.push('abcdefgh');
    expect(bytes.writer.written).to.deep.equal(['abc', 'def', 'gh']);
    const messages = testLink({ framing: 'datagrams' }, { framing: 'datagrams', maxDatagram: 3 });
    messages.link.setWriter(messages.writer);
    messages.push('abcdefgh');
    expect(messages.writer.written).to.deep.equal(['abcdefgh']);
  });
});

describe('Gates', () => {
  const recording = (name: string, calls: string[], passes = true): Gate => ({
    keepsOut: { reason: 'transform', message: name },
    pass: (chunk) => {
      calls.push(`${name} ${chunk.toString()}`);
      return passes;
    },
    signal: () => calls.push(`${name} signal`),
    close: () => calls.push(`${name} close`),
  });

  it('stand in a row: what one drops, the next does not see, and the link counts it', () => {
    const calls: string[] = [];
    const { link, writer, counters, push } = testLink();
    link.gate = new Gates([recording('first', calls, false), recording('second', calls)]);
    link.setWriter(writer);
    push('a');
    link.signal({ type: 'trailers', headers: [] });
    link.finish();
    expect(calls).to.deep.equal(['first a', 'first signal', 'second signal', 'first close', 'second close']);
    expect(writer.written).to.deep.equal([]);
    expect(counters).to.deep.equal({ bytes: 1, packets: 1, dropped: 1 });
  });

  describe('of a rate', () => {
    let clock: ReturnType<typeof stopClock>;

    beforeEach(() => (clock = stopClock()));
    afterEach(() => clock.restore());

    function limited() {
      const made = testLink();
      made.link.gate = new RateGate(made.link, true, [{ datagrams_per_second: 0, bytes_per_second: 10 }]);
      made.link.setWriter(made.writer);
      made.push('x'.repeat(15));
      return made;
    }

    it('hold a reliable reader back until its debt is paid, whatever the writer says', async () => {
      const { link, reader, writer } = limited();
      expect(writer.written.join('')).to.have.length(15);
      link.drain();
      await clock.tick(499);
      expect(flowOf(reader)).to.deep.equal(['pause']);
      await clock.tick(1);
      expect(flowOf(reader)).to.deep.equal(['pause', 'resume']);
      link.finish();
    });

    it('let the reader go on to its end where nothing can be written any more', async () => {
      const { link, reader, push } = limited();
      link.discard();
      expect(flowOf(reader)).to.deep.equal(['pause', 'resume']);
      push('x'.repeat(15));
      await clock.tick(5000);
      expect(flowOf(reader)).to.deep.equal(['pause', 'resume']);
      link.finish();
    });
  });
});

describe('A rate gate of datagrams', () => {
  const gate = (datagrams_per_second: number, bytes_per_second: number): ((size: number) => boolean) => {
    const limited = new RateGate(testLink().link, false, [{ datagrams_per_second, bytes_per_second }]);
    return (size) => limited.pass(Buffer.alloc(size));
  };
  let clock: ReturnType<typeof stopClock>;

  beforeEach(() => (clock = stopClock()));
  afterEach(() => clock.restore());

  it('lets one pass that is larger than the rate', async () => {
    const pass = gate(0, 100);
    expect([pass(250), pass(250)]).to.deep.equal([true, false]);
    await clock.tick(2500);
    expect(pass(250)).to.equal(true);
  });

  it('takes nothing for what it drops', async () => {
    const pass = gate(2, 100);
    expect([pass(100), pass(100), pass(100)]).to.deep.equal([true, false, false]);
    await clock.tick(500);
    expect([pass(50), pass(0), pass(0)]).to.deep.equal([true, true, false]);
  });
});

describe('A token bucket', () => {
  function bucket(rate: number): { readonly tokens: TokenBucket; readonly pass: (ms: number) => void } {
    let now = 0;
    return { tokens: new TokenBucket(rate, () => now), pass: (ms) => (now += ms) };
  }

  it("allows a second's worth at once, and then the rate", () => {
    const { tokens, pass } = bucket(2);
    const take = (): boolean => tokens.take();
    expect([take(), take(), take()]).to.deep.equal([true, true, false]);
    pass(499);
    expect(take()).to.equal(false);
    pass(1);
    expect([take(), take()]).to.deep.equal([true, false]);
  });

  it('saves no more than a second of silence', () => {
    const { tokens, pass } = bucket(2);
    pass(60_000);
    expect([1, 2, 3].map(() => tokens.take())).to.deep.equal([true, true, false]);
  });

  it('allows one at a time below one a second', () => {
    const { tokens, pass } = bucket(0.5);
    expect([tokens.take(), tokens.take()]).to.deep.equal([true, false]);
    pass(2000);
    expect(tokens.take()).to.equal(true);
  });

  it('lends, and tells how long until the debt is paid', () => {
    const { tokens, pass } = bucket(10);
    expect(tokens.borrow(10)).to.equal(0);
    expect(tokens.borrow(5)).to.equal(500);
    pass(250);
    expect(tokens.borrow(0)).to.equal(250);
  });

  it('takes all, or nothing', () => {
    const { tokens } = bucket(10);
    expect([tokens.take(6), tokens.take(6), tokens.take(4)]).to.deep.equal([true, false, true]);
  });

  it('gives more than it holds when it is full, and is in debt then', () => {
    const { tokens, pass } = bucket(10);
    expect([tokens.take(25), tokens.take(1)]).to.deep.equal([true, false]);
    pass(2499);
    expect(tokens.take(25)).to.equal(false);
    pass(1);
    expect(tokens.take(25)).to.equal(true);
  });
});

describe('A link that keeps what it wrote', () => {
  const kept = (maxBytes: number): TestLink => {
    const made = testLink();
    made.link.keep(maxBytes);
    made.link.setWriter(made.writer);
    return made;
  };
  /** Another writer, that is told everything again. */
  const again = ({ link }: TestLink): FakeStream => {
    const next = new FakeStream();
    next.open(new RecordingSink());
    link.repeat();
    link.setWriter(next);
    return next;
  };

  it('tells it the next writer from the start, with what came meanwhile, and its end', () => {
    const made = kept(10);
    made.push('a', 'b');
    made.link.finish();
    const next = again(made);
    expect(next.written).to.deep.equal(['a', 'b']);
    expect(next.calls).to.include('end');
    expect(again(made).written).to.deep.equal(['a', 'b']);
  });

  it('says so as long as it has all of it', () => {
    const made = kept(3);
    made.push('abc');
    expect(made.link.isKept).to.equal(true);
    again(made);
    expect(made.link.isKept).to.equal(true);
    made.push('d');
    expect(made.link.isKept).to.equal(false);
    expect(kept(0).link.isKept).to.equal(true);
  });

  it('keeps nothing once it is to forget', () => {
    const made = kept(10);
    made.push('a');
    made.link.forget();
    expect(made.link.isKept).to.equal(false);
  });
});
