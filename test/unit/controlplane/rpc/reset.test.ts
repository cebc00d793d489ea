/** Streams are reset after the read in which that was asked for. */
import type { ServerHttp2Stream } from 'node:http2';
import { expect } from 'chai';
import { resetSoon } from '../../../../controlplane/rpc/reset.ts';
import { settled } from '../../../support/cluster.ts';

describe('the reset of a stream', () => {
  it('comes after ticks and promises, which run while nghttp2 reads', async () => {
    const codes: number[] = [];
    const stream = { destroyed: false, close: (code: number) => codes.push(code) };
    resetSoon(stream as unknown as ServerHttp2Stream, 8);
    await new Promise<void>((resolve) => process.nextTick(resolve));
    await Promise.resolve();
    expect(codes).to.deep.equal([]);
    await settled();
    expect(codes).to.deep.equal([8]);
  });

  it('does not come to one that is gone by then', async () => {
    const codes: number[] = [];
    const stream = { destroyed: false, close: (code: number) => codes.push(code) };
    resetSoon(stream as unknown as ServerHttp2Stream, 8);
    stream.destroyed = true;
    await settled();
    expect(codes).to.deep.equal([]);
  });
});
