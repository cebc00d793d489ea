import { expect } from 'chai';
import type { ReportRequest } from '../../../../gen/messages.ts';
import { LiveReporter } from '../../../../dataplane/xds/live-reports.ts';
import { until } from '../../../support/until.ts';

const WANTED = { traffic_interval_ms: 200, sessions: 0, session_details: [], end_sessions: [] };

describe('live reports', () => {
  let sent: { message: Partial<ReportRequest>; done: () => void }[];
  let ended: string[];
  let asked: { most: number; details: readonly string[] }[];
  let reporter: LiveReporter;
  beforeEach(() => {
    sent = [];
    ended = [];
    asked = [];
    reporter = new LiveReporter(
      {
        traffic: () => ({ time: '2026-01-01T00:00:00.000Z', items: [], omitted: 0, faults: [] }),
        sessions: (most, details) => {
          asked.push({ most, details });
          return { sessions: [], omitted: 0, details: [] };
        },
        end: (names) => void ended.push(...names),
      },
      (message, done) => void sent.push({ message, done }),
    );
  });
  afterEach(() => reporter.close());

  it('are sent as often as they are asked for, one at a time', async () => {
    reporter.take(WANTED);
    expect(sent, 'at once').to.have.lengthOf(1);
    expect(sent[0]?.message).to.have.all.keys('traffic');
    reporter.take(WANTED);
    await new Promise((resolve) => setTimeout(resolve, 450));
    expect(sent, 'the first is on its way still').to.have.lengthOf(1);
    sent[0]?.done();
    await until('the next', () => sent.length === 2);
  });

  it('end when nobody asks any more', async () => {
    reporter.take(WANTED);
    sent[0]?.done();
    reporter.take({ ...WANTED, traffic_interval_ms: 0 });
    await new Promise((resolve) => setTimeout(resolve, 450));
    expect(sent).to.have.lengthOf(1);
  });

  it('have sessions where they are asked for, within bounds; and end some', () => {
    reporter.take({
      ...WANTED,
      sessions: 5000,
      session_details: Array.from({ length: 20 }, String),
      end_sessions: ['s'],
    });
    expect(sent[0]?.message).to.have.all.keys('traffic', 'sessions');
    expect(asked[0]?.most).to.equal(1000);
    expect(asked[0]?.details).to.have.lengthOf(16);
    expect(ended).to.deep.equal(['s']);
  });
});
