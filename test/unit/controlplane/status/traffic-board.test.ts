import { expect } from 'chai';
import { TrafficBoard } from '../../../../controlplane/status/traffic-board.ts';
import { trafficItem } from '../../../support/traffic.ts';

const NOTHING = { traffic_interval_ms: 0, sessions: 0, session_details: [], end_sessions: [] };
const report = (second: number, opened: number, more: object = {}) => ({
  traffic: {
    time: new Date(second * 1000).toISOString(),
    items: [trafficItem({ type: 'listener', listener: 'web', opened })],
    omitted: 1,
    faults: [
      {
        time: new Date(second * 1000).toISOString(),
        session: `${opened}`,
        listener: '',
        cluster: '',
        code: '',
        message: '',
      },
    ],
  },
  ...more,
});

describe('the board of traffic', () => {
  let board: TrafficBoard;
  let asked: string[];
  const join = (id: string) => board.join(id, () => void asked.push(id));
  beforeEach(() => {
    board = new TrafficBoard();
    asked = [];
  });

  it('asks proxies as long as somebody looks, and no longer', () => {
    const seats = [join('a'), join('b')] as const;
    expect(seats[0].wants()).to.deep.equal(NOTHING);
    const leave = [
      board.watch({ intervalMs: 5000 }),
      board.watch({ intervalMs: 1000, proxy: 'a', sessions: 100, details: ['x'] }),
    ];
    expect(asked).to.deep.equal(['a', 'b', 'a']);
    expect(seats[0].wants()).to.include({ traffic_interval_ms: 1000, sessions: 100 });
    expect(seats[0].wants().session_details).to.deep.equal(['x']);
    expect(seats[1].wants()).to.include({ traffic_interval_ms: 5000, sessions: 0 });
    leave[1]?.();
    expect(seats[0].wants()).to.include({ traffic_interval_ms: 5000, sessions: 0 });
    seats[0].take(report(1, 5));
    expect(board.traffic()).to.include({ reporting: 1, omitted: 1 });
    leave[0]?.();
    expect(seats[0].wants()).to.deep.equal(NOTHING);
    expect(board.traffic().items.size, 'what nobody looks at is not kept').to.equal(0);
    seats[0].take(report(2, 6));
    expect(board.traffic().items.size, 'and not taken').to.equal(0);
  });

  it('sums proxies, with their rates, and tells of one', () => {
    board.watch({ intervalMs: 1000 });
    const seats = [join('a'), join('b')];
    for (const [index, seat] of seats.entries()) {
      seat.take(report(1, 10));
      seat.take(report(2, 20 + index));
    }
    const [sum] = [...board.traffic().items.values()];
    expect(sum).to.include({ opened: 41 });
    expect(sum?.rates.opened).to.equal(21);
    expect([...board.traffic('b').items.values()][0]).to.include({ opened: 21 });
    expect(board.traffic('c')).to.include({ reporting: 0 });
    expect(board.faults().map(({ proxy, session }) => `${proxy} ${session}`)).to.have.members(['a 20', 'b 21']);
    seats[0]?.leave();
    expect([...board.traffic().items.values()][0]).to.include({ opened: 21 });
  });

  it('lists what failed at once in the order of the proxies, and the newest first', () => {
    board.watch({ intervalMs: 1000 });
    const fault = { session: '', listener: '', cluster: '', code: '', message: '' };
    const times = { a: '2026-01-01T00:00:01Z', b: '2026-01-01T00:00:01.000Z', c: '2026-01-01T00:00:01.500Z' };
    for (const [id, time] of Object.entries(times)) {
      join(id).take({ traffic: { time, items: [], omitted: 0, faults: [{ ...fault, time }, fault] } });
    }
    expect(board.faults().map(({ proxy }) => proxy)).to.deep.equal(['c', 'a', 'b', 'a', 'b', 'c']);
  });

  it('has sessions ended once, by proxies that report', () => {
    const seat = join('a');
    expect(board.end('b', ['s'])).to.equal(false);
    expect(board.end('a', ['s'])).to.equal(true);
    expect(seat.wants().end_sessions).to.deep.equal(['s']);
    expect(seat.wants().end_sessions).to.deep.equal([]);
    for (let index = 0; index < 1000; index++) board.end('a', [`${index}`]);
    expect(board.end('a', ['one more'])).to.equal(false);
  });

  it('of all proxies together keeps so many pieces and no more', () => {
    board.watch({ intervalMs: 1000 });
    const items = Array.from({ length: 2000 }, (_, index) => trafficItem({ type: 'listener', listener: `${index}` }));
    const traffic = { time: new Date().toISOString(), items, omitted: 0, faults: [] };
    const seats = Array.from({ length: 26 }, (_, index) => join(`${index}`));
    for (const seat of seats) seat.take({ traffic });
    expect(board.traffic()).to.include({ reporting: 25, omitted: 2000 });
    seats[0]?.leave();
    seats[25]?.take({ traffic });
    expect(board.traffic()).to.include({ reporting: 25, omitted: 0 });
  });
});
