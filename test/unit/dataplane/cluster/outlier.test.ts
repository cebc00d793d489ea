import { expect } from 'chai';
import fc from 'fast-check';
import type { OutlierDetection } from '../../../../gen/l7mp/config/v1/types.ts';
import { type ErrorCode, ProxyError } from '../../../../common/errors.ts';
import {
  clusterConfig,
  endpoint,
  recordingLogger,
  stopClock,
  testCluster,
  type TestCluster,
} from '../../../support/cluster.ts';

const DETECTION: OutlierDetection = {
  consecutive_failures: 3,
  base_ejection_time: 1000,
  max_ejection_time: 2500,
  max_ejection_percent: 50,
};

const REFUSED = new ProxyError('CONNECT_REFUSED', 'refused by the test');

describe('outlier ejection', () => {
  let clock: ReturnType<typeof stopClock>;

  beforeEach(() => (clock = stopClock()));
  afterEach(() => clock.restore());

  const create = (detection: Partial<OutlierDetection> = {}, names = 'abcd', policy = 'Trivial'): TestCluster =>
    testCluster({
      outlier_detection: { ...DETECTION, ...detection },
      endpoints: Array.from(names, (name) => endpoint(name)),
      loadbalancer: { policy: policy as 'Trivial', table_size: 251, points: 10 },
    });
  const health = ({ cluster }: TestCluster): string =>
    cluster
      .view()
      .map((view) => view.health)
      .join(' ');
  const break_ = (test: TestCluster, count: number, code: ErrorCode = 'PEER_RESET'): void => {
    for (let time = 0; time < count; time++) test.connect().release(new ProxyError(code, 'broken by the test'));
  };

  it('ejects what fails so many sessions in a row, and sends sessions elsewhere', () => {
    const test = create();
    break_(test, 2);
    expect(health(test)).to.equal('healthy healthy healthy healthy');
    break_(test, 1);
    expect(health(test)).to.equal('ejected healthy healthy healthy');
    expect(test.cluster.view()[0]?.ejectedUntil).to.equal(Date.now() + 1000);
    expect(test.connect().endpoint.name).to.equal('b');
  });

  it('takes it back when its time is over', async () => {
    const test = create();
    break_(test, 3);
    await clock.tick(999);
    expect(test.connect().endpoint.name).to.equal('b');
    await clock.tick(1);
    expect(health(test)).to.equal('healthy healthy healthy healthy');
    expect(test.cluster.view()[0]?.ejectedUntil).to.equal(undefined);
    expect(test.connect().endpoint.name).to.equal('a');
  });

  it('starts counting again after a success', () => {
    const test = create();
    break_(test, 2);
    test.connect().release();
    break_(test, 2);
    expect(health(test)).to.equal('healthy healthy healthy healthy');
  });

  it('counts connects that fail', async () => {
    const test = create();
    test.connector.plan = () => REFUSED;
    expect(test.refusal()).to.equal('CONNECT_REFUSED');
    test.connector.plan = () => 'later';
    for (let time = 0; time < 2; time++) {
      const opening = test.cluster.open({ session: 's', metadata: {}, timeout: 1000, retry: false, altered: false });
      test.connector.connecting[time]!.fail(REFUSED);
      await ('opened' in opening && opening.opened.catch(() => undefined));
    }
    expect(health(test)).to.equal('ejected healthy healthy healthy');
  });

  it('counts what the protocol reports, and each session once', () => {
    const test = create();
    for (let time = 0; time < 2; time++) {
      const opened = test.connect();
      test.connector.requests.at(-1)!.report(false);
      opened.release(new ProxyError('PEER_RESET', 'broken by the test'));
    }
    expect(test.cluster.view()[0]).to.include({ health: 'healthy', totalFailures: 2 });
    test.connect();
    test.connector.requests.at(-1)!.report(false);
    expect(health(test)).to.equal('ejected healthy healthy healthy');
  });

  it('takes a session that breaks after a good report for a failure, and one that ends in order after a bad one too', () => {
    const test = create();
    for (let time = 0; time < 3; time++) {
      const opened = test.connect();
      test.connector.requests.at(-1)!.report(time !== 1);
      opened.release(time === 1 ? undefined : new ProxyError('PEER_RESET', 'broken by the test'));
    }
    // Each good report is a success that starts the count again.
    expect(test.cluster.view()[0]).to.include({ health: 'healthy', totalFailures: 3 });
  });

  it('does not hear reports on sessions that are over', () => {
    const test = create({ consecutive_failures: 1 });
    test.connect().release();
    test.connector.requests.at(-1)!.report(false);
    expect(health(test)).to.equal('healthy healthy healthy healthy');
  });

  for (const code of [
    'NO_DESCRIPTORS',
    'ADDRESS_NOT_AVAILABLE',
    'INTERNAL',
    'TOO_LARGE',
    'DELETED',
    'IDLE_TIMEOUT',
  ] as const) {
    it(`does not hold ${code} against an endpoint`, () => {
      const test = create({ consecutive_failures: 1 });
      break_(test, 1, code);
      test.connector.plan = () => new ProxyError(code, 'thrown by the test');
      expect(test.refusal()).to.equal(code);
      expect(test.cluster.view()[0]).to.include({ health: 'healthy', totalFailures: 0 });
    });
  }

  it('ejects for longer each time, up to the longest', async () => {
    const test = create();
    for (const duration of [1000, 2000, 2500, 2500]) {
      break_(test, 3);
      await clock.tick(duration - 1);
      expect(health(test), `just before ${duration} ms`).to.equal('ejected healthy healthy healthy');
      await clock.tick(1);
      expect(health(test), `after ${duration} ms`).to.equal('healthy healthy healthy healthy');
    }
  });

  it('starts again at the first after as long without one', async () => {
    const test = create();
    for (const duration of [1000, 2000]) {
      break_(test, 3);
      await clock.tick(duration);
    }
    await clock.tick(2001);
    break_(test, 3);
    await clock.tick(1000);
    expect(health(test)).to.equal('healthy healthy healthy healthy');
  });

  it('ejects no more than the largest part, of the endpoints that are there', () => {
    const test = create({ consecutive_failures: 1 });
    break_(test, 10);
    expect(health(test)).to.equal('ejected ejected healthy healthy');
    const most = create({ consecutive_failures: 1, max_ejection_percent: 75 });
    break_(most, 10);
    expect(health(most)).to.equal('ejected ejected ejected healthy');
  });

  it('may always eject one, and then uses it where there is no other', () => {
    const test = create({ consecutive_failures: 1, max_ejection_percent: 0 }, 'a');
    break_(test, 1);
    expect(health(test)).to.equal('ejected');
    expect(test.connect().endpoint.name).to.equal('a');
  });

  it('passes ejections over where all are ejected: the balancer goes on', () => {
    const test = create({ consecutive_failures: 1, max_ejection_percent: 100 }, 'abc', 'RoundRobin');
    break_(test, 3);
    expect(health(test)).to.equal('ejected ejected ejected');
    const names = Array.from({ length: 9 }, () => test.connect().endpoint.name);
    expect([...new Set(names)].sort().join(' ')).to.equal('a b c');
  });

  it('ends for endpoints that go, and for all when it is not configured any more', async () => {
    const test = create({ consecutive_failures: 1 });
    break_(test, 2);
    test.cluster.update(
      clusterConfig({ outlier_detection: { ...DETECTION, consecutive_failures: 1 }, endpoints: [endpoint('b')] }),
    );
    expect(health(test)).to.equal('ejected');
    test.cluster.update(clusterConfig({ endpoints: [endpoint('b'), endpoint('c')] }));
    expect(health(test)).to.equal('healthy healthy');
    break_(test, 9);
    expect(health(test)).to.equal('healthy healthy');
    await clock.tick(10_000);
  });

  it('does not eject an endpoint that is gone, and runs no timer for one', () => {
    const test = create({ consecutive_failures: 1 });
    const [first, second] = [test.connect(), test.connect()];
    const gone = first.endpoint as { readonly ejection?: unknown };
    first.release(REFUSED);
    expect(gone.ejection).not.to.equal(undefined);
    const outlier_detection = { ...DETECTION, consecutive_failures: 1 };
    test.cluster.update(clusterConfig({ outlier_detection, endpoints: [endpoint('b')] }));
    expect(gone.ejection).to.equal(undefined);
    second.release(REFUSED);
    expect(gone.ejection).to.equal(undefined);
  });

  it('says when it ejects and when it takes back', async () => {
    const log = recordingLogger();
    const test = testCluster({ outlier_detection: { ...DETECTION, consecutive_failures: 1 } }, { log });
    break_(test, 1);
    await clock.tick(1000);
    expect(log.lines).to.deep.equal(['warn: endpoint ejected: it failed its sessions', 'info: endpoint readmitted']);
    expect(log.fields[0]).to.deep.equal({ cluster: 'cluster', endpoint: 'a', ms: 1000 });
  });

  it('never leaves a cluster without an endpoint, and ejects no more than it may, whatever happens', async () => {
    const step = fc.record({ ok: fc.boolean(), pause: fc.integer({ min: 0, max: 800 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 0, max: 100 }),
        async (steps, count, max_ejection_percent) => {
          const test = create({ consecutive_failures: 1, max_ejection_percent }, 'abcdef'.slice(0, count), 'Random');
          for (const { ok, pause } of steps) {
            test.connect().release(ok ? undefined : REFUSED);
            const ejected = test.cluster.view().filter((view) => view.health === 'ejected').length;
            expect(ejected).to.be.at.most(Math.max(1, Math.floor((count * max_ejection_percent) / 100)));
            if (pause > 0) await clock.tick(pause);
          }
          await clock.tick(2500);
          expect(health(test)).to.equal(Array<string>(count).fill('healthy').join(' '));
        },
      ),
      { numRuns: 50 },
    );
  });
});
