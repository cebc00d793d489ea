/** The `OTEL_*` variables: what is exported, the defaults, and what is wrong. */
import { expect } from 'chai';
import { type Fault, FaultsError } from '../../../../common/errors.ts';
import { readOtelSettings } from '../../../../common/telemetry/otel-settings.ts';

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

function faultsOf(env: Readonly<Record<string, string>>): readonly Fault[] {
  try {
    readOtelSettings(env);
    return [];
  } catch (error) {
    if (!(error instanceof FaultsError)) throw error;
    return error.faults;
  }
}

describe('OTEL_* variables', () => {
  const signals = (env: Record<string, string>): string[] => Object.keys(readOtelSettings(env) ?? {}).sort();

  it('an endpoint, or an exporter, turns a signal on', () => {
    expect(readOtelSettings({})).to.equal(undefined);
    expect(readOtelSettings({ OTEL_SERVICE_NAME: 'x', OTEL_EXPORTER_OTLP_ENDPOINT: ' ' })).to.equal(undefined);
    expect(signals(ENDPOINT)).to.deep.equal(['logs', 'metrics', 'traces']);
    expect(signals({ OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'http://a' })).to.deep.equal(['logs']);
    expect(signals({ OTEL_TRACES_EXPORTER: 'otlp' })).to.deep.equal(['traces']);
    expect(signals({ ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' })).to.deep.equal(['logs', 'metrics']);
    expect(signals({ ...ENDPOINT, OTEL_METRICS_EXPORTER: 'prometheus' })).to.deep.equal(['logs', 'traces']);
    expect(readOtelSettings({ ...ENDPOINT, OTEL_SDK_DISABLED: 'TRUE' })).to.equal(undefined);
  });

  const sampler = (env: Record<string, string>) => readOtelSettings({ ...ENDPOINT, ...env }, 7)?.traces?.sampler;

  it('samplers: so many a second unless told otherwise, and all where one is named without a share', () => {
    expect(sampler({})).to.deep.equal({ parentBased: true, ratio: 1, perSecond: 7 });
    expect(sampler({ OTEL_TRACES_SAMPLER_ARG: '0.5' })).to.deep.equal({ parentBased: true, ratio: 0.5 });
    expect(sampler({ OTEL_TRACES_SAMPLER: 'traceidratio' })).to.deep.equal({ parentBased: false, ratio: 1 });
    expect(sampler({ OTEL_TRACES_SAMPLER: 'parentbased_always_off' })).to.deep.equal({ parentBased: true, ratio: 0 });
    expect(readOtelSettings(ENDPOINT)?.traces?.sampler).to.deep.equal({ parentBased: true, ratio: 1 });
  });

  it('queues, times and limits have the defaults of the specification', () => {
    const settings = readOtelSettings(ENDPOINT);
    const batch = { maxQueueSize: 2048, maxExportBatchSize: 512, exportTimeoutMillis: 30_000 };
    expect(settings?.traces?.batch).to.deep.equal({ ...batch, scheduledDelayMillis: 5000 });
    expect(settings?.logs?.batch).to.deep.equal({ ...batch, scheduledDelayMillis: 1000 });
    expect(settings?.metrics).to.include({ exportIntervalMillis: 60_000, exportTimeoutMillis: 30_000 });
    expect(settings?.traces?.limits).to.include({ attributeCountLimit: 128, eventCountLimit: 128 });
    const small = readOtelSettings({ ...ENDPOINT, OTEL_METRIC_EXPORT_INTERVAL: '100', OTEL_BSP_MAX_QUEUE_SIZE: '4' });
    expect(small?.metrics?.exportTimeoutMillis).to.equal(100);
    expect(small?.traces?.batch.maxExportBatchSize).to.equal(4);
    const cut = readOtelSettings({
      ...ENDPOINT,
      OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '7',
      OTEL_SPAN_EVENT_COUNT_LIMIT: '2',
    });
    expect(cut?.traces?.limits).to.include({ attributeValueLengthLimit: 7, eventCountLimit: 2 });
    expect(cut?.logs?.limits.attributeValueLengthLimit).to.equal(7);
  });

  it('a protocol of its own for a signal', () => {
    const settings = readOtelSettings({
      ...ENDPOINT,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'grpc',
    });
    expect([settings?.traces?.protocol, settings?.logs?.protocol]).to.deep.equal(['grpc', 'http/json']);
  });

  it('endpoints are shown whole, without credentials and query', () => {
    const endpoints = (env: Record<string, string>) => {
      const { traces, metrics, logs } = readOtelSettings({ OTEL_TRACES_EXPORTER: 'otlp', ...env }) ?? {};
      return [traces, metrics, logs].map((each) => each?.endpoint);
    };
    expect(endpoints({})).to.deep.equal(['http://localhost:4318/v1/traces', undefined, undefined]);
    expect(
      endpoints({
        OTEL_EXPORTER_OTLP_ENDPOINT: 'https://me:p@ss@collector:4318/in/?key=secret',
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://other/path?key=secret#x',
        OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'grpc',
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'collector:4317',
      }),
    ).to.deep.equal(['https://collector:4318/in/v1/traces', 'http://other/path', 'collector:4317']);
    expect(endpoints({ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' })[0]).to.equal('http://localhost:4317');
  });

  it('all that is wrong is told at once, with what was expected', () => {
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318',
      OTEL_TRACES_SAMPLER: 'sometimes',
      OTEL_TRACES_SAMPLER_ARG: '2',
      OTEL_PROPAGATORS: 'b3',
      OTEL_BSP_MAX_QUEUE_SIZE: '0',
      OTEL_METRIC_EXPORT_INTERVAL: 'soon',
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta',
      OTEL_LOGS_EXPORTER: 'none,otlp',
      OTEL_BSP_SCHEDULE_DELAY: '3000000000', // more than a timer can hold
      OTEL_EXPORTER_OTLP_COMPRESSION: 'GZIP',
      OTEL_EXPORTER_OTLP_TIMEOUT: '0',
      OTEL_EXPORTER_OTLP_CERTIFICATE: '/nowhere/ca.pem',
      OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: '/nowhere/key.pem',
    };
    expect(new Set(faultsOf(env).map(({ path }) => path))).to.deep.equal(new Set(Object.keys(env)));
  });

  it('counts are whole', () => {
    for (const found of ['2.5', '1e3', '0x10']) {
      expect(faultsOf({ OTEL_TRACES_EXPORTER: 'otlp', OTEL_BSP_MAX_QUEUE_SIZE: found })).to.deep.equal([
        { path: 'OTEL_BSP_MAX_QUEUE_SIZE', expected: 'a whole number of at least 1', found },
      ]);
    }
  });

  it('headers are told by their place, and without their values', () => {
    const env = {
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_HEADERS: 'a=1,secret,b c=secret,d=,e=secret;f,',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'g=%zz,h=secret%0A,i=%3B',
    };
    expect(faultsOf(env).map(({ path, found }) => `${path}: ${found}`)).to.deep.equal([
      'OTEL_EXPORTER_OTLP_HEADERS: entry 2 without =',
      'OTEL_EXPORTER_OTLP_HEADERS: entry 3 with a name that no header has',
      'OTEL_EXPORTER_OTLP_HEADERS: entry 4 without a value',
      'OTEL_EXPORTER_OTLP_HEADERS: entry 5 with ; in its value, which is %3B',
      'OTEL_EXPORTER_OTLP_TRACES_HEADERS: entry 1 with a value that can not be decoded',
      'OTEL_EXPORTER_OTLP_TRACES_HEADERS: entry 2 with a value that no header has',
    ]);
    expect(faultsOf({ OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic%20YQ==' })).to.be
      .empty;
  });
});
