import { expect } from 'chai';
import { RecordQueue } from '../../../../dataplane/taps/record-queue.ts';

describe('lines on their way to the reader of a tap', () => {
  let gone: number;
  let queue: RecordQueue;

  beforeEach(() => {
    gone = 0;
    queue = new RecordQueue(10, () => gone++);
  });

  it('go to a reader that waits, and wait for one that does not, together', async () => {
    const first = queue.next();
    expect(queue.push('a\n')).to.equal(true);
    expect(await first).to.deep.equal({ done: false, value: 'a\n' });
    queue.push('b\n');
    queue.push('c\n');
    expect(await queue.next()).to.deep.equal({ done: false, value: 'b\nc\n' });
  });

  it('are as many as there is room for, but the last', async () => {
    expect(queue.push('12345678\n')).to.equal(true);
    expect(queue.push('é')).to.equal(false);
    expect(queue.push('9')).to.equal(true);
    queue.end('the last\n');
    expect(queue.push('x')).to.equal(false);
    expect((await queue.next()).value).to.equal('12345678\n9the last\n');
    expect(await queue.next()).to.deep.equal({ done: true, value: undefined });
    expect(gone).to.equal(0);
  });

  it('has room again once they are read', async () => {
    queue.push('1234567890');
    await queue.next();
    expect(queue.push('1234567890')).to.equal(true);
  });

  it('end for a reader that waits', async () => {
    const waiting = queue.next();
    queue.end('last');
    expect(await waiting).to.deep.equal({ done: false, value: 'last' });
    expect((await queue.next()).done).to.equal(true);
  });

  it('tells once that its reader has gone, who waits no more', async () => {
    const waiting = queue.next();
    await queue.return();
    await queue.return();
    expect((await waiting).done).to.equal(true);
    expect(gone).to.equal(1);
    expect(queue.push('x')).to.equal(false);
  });

  it('tells nothing where it has ended before', async () => {
    queue.end();
    await queue.return();
    expect(gone).to.equal(0);
  });
});
