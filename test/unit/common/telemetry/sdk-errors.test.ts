/** Why telemetry fails: what errors say, and that they are told, once. */
import { expect } from 'chai';
import { diag } from '@opentelemetry/api';
import { ExportResultCode, globalErrorHandler } from '@opentelemetry/core';
import { MeterProvider, PeriodicExportingMetricReader, type PushMetricExporter } from '@opentelemetry/sdk-metrics';
import { errorText } from '../../../../common/telemetry/error-text.ts';
import { SdkErrors } from '../../../../common/telemetry/sdk-errors.ts';
import { watched } from '../../../../common/telemetry/otlp-exporters.ts';

const refused = (address: string): Error => new Error(`connect ECONNREFUSED ${address}:4318`);

describe('the text of an error', () => {
  for (const [what, error, text] of [
    ['its message', new Error('no'), 'no'],
    [
      'those of each address',
      new AggregateError([refused('::1'), refused('127.0.0.1'), refused('::1')]),
      'connect ECONNREFUSED ::1:4318; connect ECONNREFUSED 127.0.0.1:4318',
    ],
    ['a status with its reason', Object.assign(new Error('Not Found'), { code: 404 }), '404 Not Found'],
    ['a status that is there already once', Object.assign(new Error('14 UNAVAILABLE'), { code: 14 }), '14 UNAVAILABLE'],
    ['the cause', new Error('', { cause: refused('::1') }), 'connect ECONNREFUSED ::1:4318'],
    ['the code of one that says nothing', Object.assign(new Error(''), { code: 'ECONNRESET' }), 'ECONNRESET'],
    ['its name at least', new TypeError(''), 'TypeError'],
    ['what is no error', 'text', 'text'],
  ] as const) {
    it(`is ${what}`, () => expect(errorText(error)).to.equal(text));
  }
});

describe("errors of OpenTelemetry's SDK", () => {
  let lines: Record<string, unknown>[];
  let now: number;
  let errors: SdkErrors;
  const warn = (fields: object, msg: string): void => void lines.push({ ...fields, msg });
  const log = { debug: warn, info: warn, warn, error: warn };
  const msg = "OpenTelemetry's SDK has failed";

  beforeEach(() => {
    [lines, now] = [[], 0];
    errors = new SdkErrors(log, () => now);
    errors.open();
  });
  afterEach(() => errors.close());

  it('are beside what a collector has not taken, which is told where anything was refused', () => {
    const partial = (answer: object): void => diag.warn('Received Partial Success response:', JSON.stringify(answer));
    partial({ rejectedSpans: '0', errorMessage: '' });
    partial({ rejectedLogRecords: 0 });
    partial({ rejectedSpans: '3', errorMessage: 'too old' });
    partial({ rejectedSpans: '3', errorMessage: 'too old' });
    partial({ rejectedDataPoints: 0, errorMessage: 'use another endpoint' });
    const told = 'the collector has not taken all that was exported';
    expect(lines).to.deep.equal([
      { error: '{"rejectedSpans":"3","errorMessage":"too old"}', msg: told },
      { error: '{"rejectedDataPoints":0,"errorMessage":"use another endpoint"}', suppressed: 1, msg: told },
    ]);
  });

  it('are told in the log, the same once a minute, and at most five', () => {
    globalErrorHandler(refused('::1'));
    globalErrorHandler(refused('::1'));
    diag.error('metrics collection errors', new Error('a'), new Error('b'));
    diag.warn('not worth a line');
    for (const text of ['c', 'd', 'e', 'f', 'g']) globalErrorHandler(new Error(text));
    expect(lines.map(({ error }) => error)).to.deep.equal([
      'connect ECONNREFUSED ::1:4318',
      'metrics collection errors a b',
      ...['c', 'd', 'e'],
    ]);
    now = 60_000;
    globalErrorHandler(new Error('g'));
    expect(lines.slice(5)).to.deep.equal([{ error: 'g', suppressed: 2, msg }]);
    errors.close();
    globalErrorHandler(new Error('h'));
    expect(lines).to.have.length(6);
  });

  it('of a metrics reader that can not collect are told; of its exporter, by the exporter, with the endpoint', async () => {
    let isBroken = false;
    const failing: PushMetricExporter = {
      export: (_metrics, done) => done({ code: ExportResultCode.FAILED, error: new AggregateError([refused('::1')]) }),
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.resolve(),
    };
    const endpoint = 'http://collector:4318/v1/metrics';
    const onFailure = errors.known.bind(errors);
    const reader = new PeriodicExportingMetricReader({
      exporter: watched(failing, { signal: 'metrics', endpoint, log, onFailure }),
      exportIntervalMillis: 1_000_000,
    });
    const provider = new MeterProvider({ readers: [reader] });
    provider
      .getMeter('x')
      .createObservableCounter('x')
      .addCallback((result) => {
        if (isBroken) throw new Error('can not be read');
        result.observe(1);
      });
    const flush = () => provider.forceFlush().catch(globalErrorHandler); // as its timer does
    await flush();
    await flush();
    expect(lines).to.have.length(1);
    expect(lines[0]).to.deep.include({ signal: 'metrics', endpoint, error: 'connect ECONNREFUSED ::1:4318' });
    isBroken = true;
    await flush();
    expect(lines.slice(1)).to.deep.equal([
      { error: 'PeriodicExportingMetricReader: metrics collection errors can not be read', msg },
    ]);
    await provider.shutdown().catch(() => undefined);
  });
});
