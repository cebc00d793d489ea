import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import type { SessionView } from '../../../../dataplane/core/session.ts';
import { createAccessLog, formatter, isLogged } from '../../../../dataplane/telemetry/access-log.ts';
import { failureOf } from '../../../../dataplane/core/failures.ts';
import { fakeSession } from '../../../support/admin.ts';

const ended = fakeSession({
  name: 'UDP:[::1]:46876-[::1]:9002-0',
  metadata: { IP: { src_addr: '::1' }, UDP: { src_port: 46876 }, HTTP: { url: { path: '/a b' } }, 'a/b': 7 },
  endedAt: 1_600_000_000_250,
  elapsed: 249.6,
  status: 'DESTROYED',
  reason: 'PEER_RESET',
  retries: 2,
});

describe('sessions that a listener wants lines of', () => {
  const telemetryOf = (access_log: { sessions: 'all' | 'failed' | 'none'; percent: number }) => ({
    access_log,
    tracing: { enabled: true, attributes: [] },
  });
  const [failed, fine] = [fakeSession({ reason: 'PEER_RESET' }), fakeSession({ reason: 'IDLE_TIMEOUT' })];

  it('are all, those that failed, or none; of those that have not, a part', () => {
    const logged = (session: SessionView, sessions: 'all' | 'failed' | 'none', percent = 100): boolean =>
      isLogged({ ...session, telemetry: telemetryOf({ sessions, percent }) });
    expect([logged(failed, 'all'), logged(fine, 'all'), isLogged(fine)]).to.deep.equal([true, true, true]);
    expect([logged(failed, 'failed'), logged(fine, 'failed')]).to.deep.equal([true, false]);
    expect([logged(failed, 'none'), logged(fine, 'none')]).to.deep.equal([false, false]);
    expect([logged(failed, 'all', 0), logged(fine, 'all', 0)]).to.deep.equal([true, false]);
  });

  it('have failed where nobody asked for the end; answers count by their status', () => {
    expect(failureOf({ reason: 'NO_ROUTE', httpStatus: 404 })).to.equal(undefined);
    expect(failureOf({ reason: 'NO_ROUTE', httpStatus: undefined })).to.equal('NO_ROUTE');
    expect(failureOf({ reason: 'OK', httpStatus: 503 })).to.equal('503');
    expect(failureOf({ reason: 'CONNECT_REFUSED', httpStatus: 502 })).to.equal('CONNECT_REFUSED');
    expect(failureOf({ reason: 'DRAINED', httpStatus: undefined })).to.equal(undefined);
    expect(failureOf({ reason: 'OK', httpStatus: 200, grpcStatus: 14 })).to.equal('UNAVAILABLE');
    expect(failureOf({ reason: 'OK', httpStatus: 200, grpcStatus: 5 })).to.equal(undefined);
    expect(failureOf({ reason: 'OK', httpStatus: 200, grpcStatus: 0 })).to.equal(undefined);
  });
});

describe('the access log', () => {
  it('writes a JSON object with every field', () => {
    expect(JSON.parse(formatter('json')(ended))).to.deep.equal({
      time: '2020-09-13T12:26:40.000Z',
      session: 'UDP:[::1]:46876-[::1]:9002-0',
      listener: 'in',
      source: '[::1]:46876',
      rulelist: 'rl',
      rule: 'ru',
      route: 'r',
      cluster: 'out',
      endpoint: 'out-EndPoint-1',
      endpoint_address: '127.0.0.2:9003',
      duration_ms: 250,
      bytes_in: 10,
      bytes_out: 5,
      packets_in: 2,
      packets_out: 1,
      dropped_in: 0,
      dropped_out: 0,
      retries: 2,
      reason: 'PEER_RESET',
      path: '/a b',
    });
  });

  it('writes a line of text, of HTTP with the request, its answer and the trace', () => {
    const text = formatter('text');
    const metadata = { ...ended.metadata };
    delete metadata['HTTP'];
    const line =
      '[2020-09-13T12:26:40.000Z] UDP:[::1]:46876-[::1]:9002-0 in -> out/out-EndPoint-1 PEER_RESET in=10 out=5 250ms';
    expect(text({ ...ended, metadata })).to.equal(line);
    expect(text(ended)).to.equal(`${line} "- /a b" - trace=-`);
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const request = { method: 'GET', url: { path: '/a' } };
    expect(
      text({
        ...ended,
        metadata: { ...metadata, HTTP: request },
        httpStatus: 503,
        trace: { traceId, spanId: 'b7ad6b7169203331', sampled: false },
      }),
    ).to.equal(`${line} "GET /a" 503 trace=${traceId}`);
  });

  it('fills a template with fields, and with metadata by JSON pointers', () => {
    const line = formatter('%SESSION% 100% "%{/HTTP/url/path}%" %{/HTTP/url}% %{/a~1b}% %BYTES_IN%%BYTES_OUT%');
    expect(line(ended)).to.equal('UDP:[::1]:46876-[::1]:9002-0 100% "/a b" {\\x22path\\x22:\\x22/a b\\x22} 7 105');
  });

  it('writes "-" for what a session has not, and leaves what is no command', () => {
    const unrouted = fakeSession({ destination: undefined, rule: undefined, metadata: {} });
    const line = formatter('%CLUSTER% %RULE% %SOURCE% %{/nothing}% %NOTHING% %CONSTRUCTOR% %{nonsense}% %{/~2}%');
    expect(line(unrouted)).to.equal('- - - - %NOTHING% %CONSTRUCTOR% %{nonsense}% %{/~2}%');
  });

  it('keeps what a peer says on one line and inside its quotes', () => {
    const template = formatter('"%{/agent}%" %REASON%');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (agent) => {
        const session = fakeSession({ metadata: { agent }, reason: 'OK' });
        // eslint-disable-next-line no-control-regex -- they are what is looked for
        const steering = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/u;
        const text = template(session);
        expect(text).not.to.match(steering);
        expect(text).to.match(/^"[^"]*" OK$/u);
        expect(formatter('json')(fakeSession({ name: agent }))).not.to.match(steering);
      }),
    );
  });

  it('appends to a file, which may be moved away', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'access-'));
    const file = join(directory, 'access');
    try {
      const first = createAccessLog(file, '%REASON%');
      first.write(ended);
      await first.close();
      const second = createAccessLog(file, '%LISTENER%');
      second.write(ended);
      await second.close();
      expect(readFileSync(file, 'utf8')).to.equal('PEER_RESET\nin\n');
      const third = createAccessLog(file, '%CLUSTER%');
      renameSync(file, `${file}.1`);
      third.reopen();
      third.write(ended);
      await third.close();
      expect(readFileSync(file, 'utf8')).to.equal('out\n');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
