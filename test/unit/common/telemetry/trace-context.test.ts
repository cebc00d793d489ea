/** W3C Trace Context: what is taken, and what begins anew. */
import { expect } from 'chai';
import { formatTraceparent, parseTraceparent, readTraceContext } from '../../../../common/telemetry/trace-context.ts';

const [TRACE, SPAN] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];

describe('trace context', () => {
  it('reads version 00, and later ones as far as they are the same', () => {
    const sampled = { traceId: TRACE, spanId: SPAN, sampled: true };
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-01`)).to.deep.equal(sampled);
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-02`)).to.deep.equal({ ...sampled, sampled: false });
    expect(parseTraceparent(`cc-${TRACE}-${SPAN}-03-more`)).to.deep.equal(sampled);
    expect(formatTraceparent(sampled)).to.equal(`00-${TRACE}-${SPAN}-01`);
  });

  for (const text of [
    '',
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-01-more`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
  ]) {
    it(`"${text}" is none`, () => expect(parseTraceparent(text)).to.equal(undefined));
  }

  it('what can not stand in a header does not come along', () => {
    const traceparent = `00-${TRACE}-${SPAN}-01`;
    expect(readTraceContext({ traceparent, tracestate: 'a=b\r\nx: y', baggage: 7 })).to.deep.equal({
      traceparent,
      tracestate: undefined,
      baggage: undefined,
    });
    expect(readTraceContext({ tracestate: 'a=b' })).to.equal(undefined);
  });
});
