import type { Socket } from 'node:dgram';
import { expect } from 'chai';
import { SendQueue } from '../../../../../dataplane/protocols/udp/send-queue.ts';
import type { Writer } from '../../../../../dataplane/protocols/udp/socket.ts';

/** A socket that holds as much as the test says. */
function queueOf() {
  const state = { size: 0 };
  const socket = { getSendQueueSize: () => state.size } as unknown as Socket;
  return { queue: new SendQueue(socket), state };
}

function writer(): Writer & { readonly told: string[] } {
  const told: string[] = [];
  return { told, drained: () => told.push('drained'), failed: (error) => told.push(error.message) };
}

describe("UDP's send queue", () => {
  it('looks at the first datagram, and then at one in 64', () => {
    const { queue } = queueOf();
    const due = Array.from({ length: 130 }, () => queue.due);
    expect(due.flatMap((is, index) => (is ? [index] : []))).to.deep.equal([0, 64, 128]);
  });

  it('asks writers to wait while the socket is full, and tells all of them when there is room', () => {
    const { queue, state } = queueOf();
    const [a, b, gone] = [writer(), writer(), writer()];
    expect(queue.hasRoom(a)).to.equal(true);
    state.size = 1 << 20;
    expect(queue.hasRoom(a)).to.equal(false);
    expect(queue.due, 'while it is full, every datagram').to.equal(true);
    expect(queue.due).to.equal(true);
    expect(queue.hasRoom(b)).to.equal(false);
    expect(queue.hasRoom(gone)).to.equal(false);
    queue.leave(gone);
    queue.callbackFor(a)(null);
    expect(a.told).to.deep.equal([]);
    state.size = 0;
    queue.callbackFor(b)(null);
    expect([a.told, b.told, gone.told]).to.deep.equal([['drained'], ['drained'], []]);
    expect(queue.hasRoom(a)).to.equal(true);
  });

  it('tells a writer that its datagram could not be sent', () => {
    const { queue } = queueOf();
    const a = writer();
    queue.callbackFor(a)(new Error('ENETUNREACH'));
    expect(a.told).to.deep.equal(['ENETUNREACH']);
  });
});
