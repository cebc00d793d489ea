import { expect } from 'chai';
import type { ApiSession } from '../../../../cli/api.ts';
import { sessionLines } from '../../../../cli/top/page.ts';

const HOUR = 3_600_000;
const NOTHING = { bytes: 0, packets: 0 };

describe('the table of l7mp top', () => {
  it('tells sessions of other clients, and requests, from each other on a narrow terminal', () => {
    const names = [
      'TCP:127.0.0.1:40001-127.0.0.1:5002',
      'HTTP:127.0.0.1:40002-127.0.0.1:5002-17',
      'HTTP:192.168.100.200:40003-192.168.100.201:8080-17',
      'TCP:[2001:db8::1234:5678:9abc]:40004-[2001:db8::1]:8080',
    ];
    const sessions = names.map(
      (name) =>
        ({
          name,
          source: { origin: 'l' },
          status: 'CONNECTED',
          started_at: 0,
          offload: { state: 'user' },
          rates: { ingress: NOTHING, egress: NOTHING },
        }) as unknown as ApiSession,
    );
    const rates = { ingress: NOTHING, egress: NOTHING };
    const traffic = { sessions: 2, kernel: 0, rates, listeners: [], clusters: [] };
    const [, ...lines] = sessionLines({ at: 0, traffic, sessions, total: 2 }, sessions, 80);
    expect(lines[0]).to.match(/^TCP:127\.0\.0\.1:40001-\S*…5002 /u);
    expect(lines[1]).to.match(/^HTTP:127\.0\.0\.1:40002-\S*…2-17 /u);
    expect(lines[2]).to.match(/^…\S*\.168\.100\.200:40003…0-17 /u);
    expect(lines[3]).to.match(/^…\S*:5678:9abc\]:40004…8080 /u);
    expect(Math.max(...lines.map(({ length }) => length)))
      .to.equal(lines[0]?.length)
      .and.at.most(80);
  });

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
