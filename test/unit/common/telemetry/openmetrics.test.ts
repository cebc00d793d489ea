/** The page as OpenMetrics: its rules, whatever names and values there are. */
import { ValueType } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AggregationTemporality, type DataPoint, DataPointType, type MetricData } from '@opentelemetry/sdk-metrics';
import { expect } from 'chai';
import { Histogram } from '../../../../common/histogram.ts';
import { durationMetric } from '../../../../common/telemetry/durations.ts';
import { writeOpenMetrics } from '../../../../common/telemetry/openmetrics.ts';
import { forPrometheus } from '../../../../common/telemetry/prometheus-names.ts';

const point = (value: number, attributes = {}): DataPoint<number> => ({
  startTime: [0, 0],
  endTime: [1, 0],
  attributes,
  value,
});

const metric = (name: string, more: object): MetricData =>
  ({
    descriptor: { name, description: 'd', unit: '', valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
    ...more,
  }) as MetricData;

const described = (name: string, description: string, unit: string) => ({
  descriptor: { name, description, unit, valueType: ValueType.DOUBLE },
});
const counter = (dataPoints: DataPoint<number>[], isMonotonic = true) => ({
  dataPointType: DataPointType.SUM,
  isMonotonic,
  dataPoints,
});
const gauge = (dataPoints: DataPoint<number>[]) => ({ dataPointType: DataPointType.GAUGE, dataPoints });

function write(...metrics: MetricData[][]): string {
  const resource = resourceFromAttributes({ 'service.name': 'test' });
  const scopeMetrics = metrics.map((each, index) => ({ scope: { name: `s${index}` }, metrics: each }));
  return writeOpenMetrics(forPrometheus({ resource, scopeMetrics }));
}

const INFO = '# TYPE target info\n# HELP target Target metadata\ntarget_info{service_name="test"} 1\n';

describe('OpenMetrics', () => {
  it('has information of the target, and an end', () => {
    expect(write()).to.equal(`${INFO}# EOF\n`);
  });

  it('names families of counters without _total, and their samples with it', () => {
    const text = write([
      metric('a.bytes', { ...described('a.bytes', 'Bytes', 'By'), ...counter([point(7, { 'x.y': 'z' })]) }),
      metric('b_total', counter([point(1)])),
    ]);
    expect(text).to.equal(
      `${INFO}# TYPE a_bytes counter\n# UNIT a_bytes bytes\n# HELP a_bytes Bytes\na_bytes_total{x_y="z"} 7\n` +
        '# TYPE b counter\n# HELP b d\nb_total 1\n# EOF\n',
    );
  });

  it('has a sum that falls for a gauge, and units only where names end in them', () => {
    const text = write([
      metric('spans', { ...described('spans', 'd', '{span}'), ...counter([point(-1)], false) }),
      metric('inbytes', { ...described('inbytes', 'd', 'By'), ...gauge([point(Infinity), point(NaN, { a: 1 })]) }),
    ]);
    expect(text).to.equal(
      `${INFO}# TYPE spans gauge\n# HELP spans d\nspans -1\n` +
        '# TYPE inbytes gauge\n# HELP inbytes d\ninbytes +Inf\ninbytes{a="1"} NaN\n# EOF\n',
    );
  });

  it('escapes what would end a value or a line', () => {
    const hostile = 'a"b\\c\nd} 1 # {x="y"} 2\n# EOF';
    const escaped = 'a\\"b\\\\c\\nd} 1 # {x=\\"y\\"} 2\\n# EOF';
    const text = write([metric('g', { ...described('g', hostile, ''), ...gauge([point(1, { l: hostile })]) })]);
    expect(text).to.equal(`${INFO}# TYPE g gauge\n# HELP g ${escaped}\ng{l="${escaped}"} 1\n# EOF\n`);
  });

  it('has a family once, in one piece, whoever else has its name', () => {
    const text = write(
      [metric('a', gauge([point(1, { of: 'x' })])), metric('b', gauge([point(1)]))],
      [metric('a', gauge([point(2, { of: 'y' })]))],
    );
    expect(text).to.equal(
      `${INFO}# TYPE a gauge\n# HELP a d\na{of="x"} 1\na{of="y"} 2\n# TYPE b gauge\n# HELP b d\nb 1\n# EOF\n`,
    );
  });

  it('has exemplars behind their buckets, in seconds', () => {
    const counted = new Histogram([10, 1000]);
    const ids = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', sampled: true };
    const before = Date.now();
    counted.add(4, ids);
    counted.add(5);
    counted.add(500);
    counted.add(2000, ids);
    const after = Date.now();
    const text = write([
      durationMetric({ name: 'd', description: 'D', durations: [{ attributes: { of: 'x' }, counted }] }),
    ]);
    const label = '# {trace_id="0af7651916cd43dd8448eb211c80319c",span_id="b7ad6b7169203331"}';
    const times: number[] = [];
    const timeless = text.replace(/(\} \S+) (\d+\.\d{3})$/gmu, (_, kept: string, time: string) => {
      times.push(Number(time));
      return kept;
    });
    expect(timeless).to.equal(
      `${INFO}# TYPE d_seconds histogram\n# UNIT d_seconds seconds\n# HELP d_seconds D\n` +
        `d_seconds_bucket{of="x",le="0.01"} 2 ${label} 0.004\n` +
        'd_seconds_bucket{of="x",le="1.0"} 3\n' +
        `d_seconds_bucket{of="x",le="+Inf"} 4 ${label} 2\n` +
        'd_seconds_count{of="x"} 4\nd_seconds_sum{of="x"} 2.509\n# EOF\n',
    );
    expect(times).to.have.length(2);
    for (const time of times) expect(time * 1000).to.be.within(before, after);
  });
});
