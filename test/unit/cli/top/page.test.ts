import { expect } from 'chai';
import type { ApiSession } from '../../../../cli/api.ts';
import { sessionLines } from '../../../../cli/top/page.ts';

const HOUR = 3_600_000;
const NOTHING = { bytes: 0, packets: 0 };

describe('the table of l7mp top', () => {
  it('shows figures whole, whatever the room', () => {
    const session = {
      name: 's',
      source: { origin: 'l' },
      status: 'CONNECTED',
      started_at: 0,
      offload: { state: 'kernel' },
      rates: { ingress: { bytes: 1, packets: 12_345_678 }, egress: NOTHING },
    } as unknown as ApiSession;
    const at = 1234 * HOUR + 56 * 60_000;
    const seen = { at, traffic: { sessions: 1, kernel: 1, rates: session.rates, listeners: [], clusters: [] } };
    const [, line] = sessionLines({ ...seen, sessions: [session], total: 1 }, [session], 200);
    expect(line)
      .to.match(/ 1234 h 56 min /u)
      .and.to.match(/ 12,345,678 /u);
  });
});
