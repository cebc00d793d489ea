import { expect } from 'chai';
import type { LeftPair } from '../../../dataplane/core/offload.ts';
import type { Listener } from '../../../dataplane/core/protocol.ts';
import { resumeSessions, type Successor } from '../../../dataplane/resume.ts';
import { NOTE } from '../../support/session-note.ts';
import { until } from '../../support/until.ts';

const SIDE = {
  transport: 'udp',
  local: { address: '10.0.0.1', port: 1 },
  remote: { address: '10.0.0.2', port: 2 },
} as const;
const MINUTE = 60_000;

describe('sessions that an earlier process has left', () => {
  let left: LeftPair[];
  let dropped: Map<string, string>;
  let resumed: string[];
  let successor: Successor;
  let changed: (() => void) | undefined;
  let listening: Listener | undefined;
  let end: (() => void) | undefined;

  const pair = (id: number, lastSeen?: number): LeftPair => ({
    ...{ id, client: SIDE, upstream: SIDE, note: { ...NOTE, name: `session ${id}` } },
    traffic: { fromClient: { packets: 1, bytes: 1 }, fromUpstream: { packets: 1, bytes: 1 }, lastSeen },
  });
  const forget = ({ id }: LeftPair): void => {
    left = left.filter((each) => each.id !== id);
  };
  const listener = (resume: (left: LeftPair) => boolean): Listener => ({
    address: '',
    start: () => Promise.resolve(),
    close: () => Promise.resolve(),
    resume,
  });

  beforeEach(() => {
    left = [pair(-1), pair(-2)];
    dropped = new Map();
    resumed = [];
    listening = undefined;
    successor = {
      kept: {
        left: () => left,
        resume: () => undefined,
        connected: () => undefined,
        drop: (one, why) => {
          dropped.set(one.note.name, why);
          forget(one);
        },
        leave: () => false,
      },
      listener: () => listening,
      isExpected: () => true,
      watch: (observer) => {
        changed = observer;
        return () => (changed = undefined);
      },
    };
  });
  afterEach(() => end?.());

  it('wait for their listener, and nothing is watched any more when all have gone on', async () => {
    end = resumeSessions(successor, MINUTE, 20);
    await until('a look', () => changed);
    listening = listener((one) => {
      forget(one);
      return resumed.push(one.note.name) > 0;
    });
    changed?.();
    await until('the end of the watch', () => changed === undefined);
    expect(resumed).to.deep.equal(['session -1', 'session -2']);
    expect(dropped.size).to.equal(0);
  });

  it('are let go of one by one where they fail', async () => {
    listening = listener((one) => {
      if (one.id === -1) throw new Error('by the test');
      forget(one);
      return resumed.push(one.note.name) > 0;
    });
    end = resumeSessions(successor, MINUTE, 20);
    await until('the other', () => resumed.length > 0);
    expect([...dropped]).to.deep.equal([['session -1', 'by the test']]);
    expect(resumed).to.deep.equal(['session -2']);
  });

  it('are let go of where nothing passes, and nobody takes them on', async () => {
    left = [pair(-1), pair(-2, performance.now() + MINUTE)];
    end = resumeSessions(successor, 100, 20);
    await until('an end', () => dropped.size > 0);
    expect([...dropped]).to.deep.equal([
      ['session -1', 'nothing has passed for 0.1 s, and its listener does not listen'],
    ]);
    expect(left.map(({ id }) => id)).to.deep.equal([-2]);
  });
});
