import { expect } from 'chai';
import type { Metadata } from '../../../../../dataplane/core/session.ts';
import {
  chosenSubprotocol,
  noteSubprotocol,
  offeredSubprotocols,
  offerSubprotocols,
} from '../../../../../dataplane/protocols/websocket/subprotocols.ts';

describe('The subprotocol of a WebSocket session', () => {
  for (const [offered, accepted, expected] of [
    [['a', 'b'], [], ['a', 'b']],
    [
      ['a', 'b'],
      ['b', 'a'],
      ['b', 'a'],
    ],
    [['a'], ['b'], []],
    [[], ['b'], []],
  ] as const) {
    it(`of ${offered.join()} where ${accepted.join() || 'any'} is accepted: ${expected.join() || 'none'}`, () => {
      expect(offerSubprotocols(offered, accepted)).to.deep.equal({ subprotocols: expected });
    });
  }

  it('is what the endpoint chose, else what is wanted most, and never what the client does not offer', () => {
    const metadata: Metadata = { WebSocket: { subprotocols: ['a', 'b'] } };
    expect(chosenSubprotocol(metadata)).to.equal('a');
    noteSubprotocol(metadata, 'b');
    expect(chosenSubprotocol(metadata)).to.equal('b');
    noteSubprotocol(metadata, 'c');
    expect(chosenSubprotocol(metadata)).to.equal('a');
    expect(offeredSubprotocols(metadata)).to.deep.equal(['a', 'b']);
  });

  it('is none, whatever rules wrote in its place', () => {
    for (const value of [undefined, null, 1, 'a', ['a'], {}, { subprotocols: 'a' }, { subprotocols: [1, null] }]) {
      const metadata = value === undefined ? {} : { WebSocket: value };
      expect(chosenSubprotocol(metadata)).to.equal(undefined);
      expect(offeredSubprotocols(metadata)).to.deep.equal([]);
    }
  });

  it('is offered once, however often it is named', () => {
    expect(offeredSubprotocols({ WebSocket: { subprotocols: ['a', 'b', 'a'] } })).to.deep.equal(['a', 'b']);
  });
});
