import { ROOT_CONTEXT } from '@opentelemetry/api';
import { SamplingDecision, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace';
import { expect } from 'chai';
import { createSampling } from '../../../../common/telemetry/sampling.ts';
import { DrawnIds, SpanIdSource } from '../../../../common/telemetry/span-ids.ts';
import { formatTraceparent, parseTraceparent } from '../../../../common/telemetry/trace-context.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` };

describe('sampling', () => {
  for (const ratio of [0, 0.001, 0.3, 0.999, 1]) {
    it(`records the traces that OpenTelemetry's own sampler does at a ratio of ${ratio}`, () => {
      const theirs = new TraceIdRatioBasedSampler(ratio);
      const decide = createSampling({ parentBased: false, ratio });
      for (let count = 0; count < 2000; count++) {
        const { ids, sampled } = decide(undefined);
        const { decision } = theirs.shouldSample(ROOT_CONTEXT, ids.traceId);
        expect(sampled, ids.traceId).to.equal(decision === SamplingDecision.RECORD_AND_SAMPLED);
        // Who comes next decides by what it is told.
        expect(decide({ traceparent: formatTraceparent(ids) }).sampled, ids.traceId).to.equal(sampled);
      }
    });
  }

  it('goes by its parent where it shall, and otherwise tells what it has decided of its trace', () => {
    const never = { parentBased: true, ratio: 0 };
    expect(createSampling(never)(PARENT).sampled).to.equal(true);
    expect(createSampling({ parentBased: false, ratio: 0 })(PARENT)).to.deep.include({
      sampled: false,
      ids: { traceId: TRACE, spanId: 'b7ad6b7169203331', sampled: false },
    });
  });

  it('records so many a second, evenly, as many at once after a pause, and what its parent or a share of its own asks for', () => {
    let now = 0;
    const settings = { parentBased: true, ratio: 1, perSecond: 10 };
    const decide = createSampling(settings, () => now);
    const count = (calls: number, ...rest: Parameters<typeof decide>): number =>
      Array.from({ length: calls }, () => decide(...rest)).filter(({ sampled }) => sampled).length;
    expect(count(100, undefined)).to.equal(10);
    expect(count(100, PARENT)).to.equal(100);
    expect(count(100, undefined, { parentBased: true, ratio: 1 })).to.equal(100);
    const eachTenth = [];
    for (let tenth = 1; tenth <= 20; tenth++) {
      now = tenth * 100;
      eachTenth.push(count(100, undefined));
    }
    expect(eachTenth.reduce((sum, each) => sum + each)).to.equal(20);
    expect(Math.max(...eachTenth)).to.be.at.most(2);
    now += 3_600_000;
    expect(count(100, undefined)).to.equal(10);
  });
});

describe('identifiers that are drawn', () => {
  it('are told as a traceparent that says they are not recorded, the same each time', () => {
    const ids = new DrawnIds();
    const { traceId, spanId } = ids;
    expect(parseTraceparent(ids.traceparent)).to.deep.equal({ traceId, spanId, sampled: false });
    // The next one's text is written to where this one's was.
    const next = new DrawnIds().traceparent;
    expect(next).to.not.equal(ids.traceparent);
    expect(formatTraceparent(ids)).to.equal(`00-${traceId}-${spanId}-00`);
  });

  it('are a trace of the name that was asked for, once', () => {
    const source = new SpanIdSource();
    source.next = TRACE;
    expect(source.generateTraceId()).to.equal(TRACE);
    expect(source.generateTraceId())
      .to.match(/^[\da-f]{32}$/u)
      .and.not.equal(TRACE);
    expect(source.generateSpanId()).to.match(/^[\da-f]{16}$/u);
  });
});
