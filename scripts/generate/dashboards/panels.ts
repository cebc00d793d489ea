/** What all dashboards are built of: queries of Prometheus, panels that show them, and the variables that they are filtered by. */
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import {
  type DataSourceRef,
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  type Panel,
  QueryVariableBuilder,
  RowBuilder,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

export type { Panel };

/** Units, as Grafana names them. */
export type Unit =
  'short' | 'cps' | 'pps' | 'Bps' | 'bytes' | 's' | 'percentunit' | 'bool_yes_no' | 'dateTimeFromNow' | 'none';

/** An expression, what its series are called, by their labels: `{{listener}}`, and whether exemplars are shown with it. */
export type Query = readonly [expr: string, legend: string, exemplars?: boolean];

export interface PanelOptions {
  readonly unit: Unit;
  /** What to make of it. */
  readonly description?: string;
}

export interface SeriesOptions extends PanelOptions {
  /** Series upon each other: where their sum says something. */
  readonly stacked?: boolean;
  /** Values may be below zero, and say something there. */
  readonly signed?: boolean;
}

export interface StatOptions extends PanelOptions {
  /** From which value on it is an alarm. */
  readonly bad?: number;
  /** Below which value it is an alarm. */
  readonly good?: number;
}

export type PanelMaker = Builder<Panel>;

/** The source is chosen on the page. */
const SOURCE: DataSourceRef = { type: 'prometheus', uid: '${datasource}' };
/** Grafana's grid has 24 columns. */
const SERIES_SIZE = { width: 8, height: 8 };
const STAT_SIZE = { width: 4, height: 4 };

/** What changes over time. */
export function series(
  title: string,
  { unit, description, stacked = false, signed = false }: SeriesOptions,
  ...queries: Query[]
): PanelMaker {
  const panel = new TimeseriesBuilder()
    .title(title)
    .datasource(SOURCE)
    .unit(unit)
    .span(SERIES_SIZE.width)
    .height(SERIES_SIZE.height)
    .drawStyle(GraphDrawStyle.Line)
    .fillOpacity(stacked ? 25 : 8)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true)
        .calcs([]),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi));
  if (description !== undefined) panel.description(description);
  if (!signed) panel.min(0);
  if (stacked) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal));
  targetsOf(queries).forEach((target) => panel.withTarget(target));
  return panel;
}

/** What is now, as a number. */
export function stat(title: string, { unit, description, bad, good }: StatOptions, ...queries: Query[]): PanelMaker {
  const panel = new StatBuilder()
    .title(title)
    .datasource(SOURCE)
    .unit(unit)
    .span(STAT_SIZE.width)
    .height(STAT_SIZE.height)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false).fields(''))
    .thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(stepsOf(bad, good)));
  if (description !== undefined) panel.description(description);
  targetsOf(queries).forEach((target) => panel.withTarget(target));
  return panel;
}

function stepsOf(bad: number | undefined, good: number | undefined): Threshold[] {
  return [
    { value: null, color: good === undefined ? 'green' : 'red' },
    ...(good === undefined ? [] : [{ value: good, color: 'green' }]),
    ...(bad === undefined ? [] : [{ value: bad, color: 'red' }]),
  ];
}

function targetsOf(queries: readonly Query[]): Builder<Dataquery>[] {
  return queries.map(([expr, legend, exemplars = false], index) => {
    const target = new DataqueryBuilder()
      .refId(String.fromCharCode('A'.charCodeAt(0) + index))
      .datasource(SOURCE)
      .expr(expr)
      .legendFormat(legend);
    return exemplars ? target.exemplar(true) : target;
  });
}

/** The quantiles that tell most of a histogram, over the labels `by`; the last one with the exemplars, which are those of all. */
export function quantiles(metric: string, selector: string, by: readonly string[] = []): Query[] {
  const name = by.map((label) => `{{${label}}} `).join('');
  const wanted = [0.5, 0.9, 0.99];
  return wanted.map((quantile): Query => [
    `histogram_quantile(${quantile}, sum by (${[...by, 'le'].join(', ')}) (rate(${metric}_bucket{${selector}}[$__rate_interval])))`,
    `${name}p${quantile * 100}`,
    quantile === wanted.at(-1),
  ]);
}

/** A variable `name` whose values are those of the label of the same name, of series of `from`. */
export interface Filter {
  readonly name: string;
  readonly from: string;
}

/** Series of the chosen processes: an environment, a job and an instance of that. */
export const INSTANCE = 'namespace=~"$namespace",job=~"$job",instance=~"$instance"';

/** What they are chosen by, of those that have a series. */
export function instanceFilters(from: string): Filter[] {
  return ['namespace', 'job', 'instance'].map((name) => ({ name, from }));
}

export interface Row {
  readonly title: string;
  readonly panels: readonly PanelMaker[];
}

export interface DashboardOptions {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly filters: readonly Filter[];
  readonly rows: readonly Row[];
}

/** The dashboard, as Grafana's files have it. */
export function makeDashboard({ uid, title, description, filters, rows }: DashboardOptions): string {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- of the next schema Grafana before version 12 knows nothing
  const dashboard = new DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags(['l7mp'])
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .time({ from: 'now-1h', to: 'now' })
    .refresh('30s')
    .editable()
    .withVariable(new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'));
  for (const { name, from } of filters) {
    dashboard.withVariable(
      new QueryVariableBuilder(name)
        .label(name)
        .datasource(SOURCE)
        .query(`label_values(${from}, ${name})`)
        .refresh(VariableRefresh.OnTimeRangeChanged)
        .sort(VariableSort.AlphabeticalAsc)
        .multi(true)
        .includeAll(true)
        // Also series that do not have the label.
        .allValue('.*')
        .current({ selected: true, text: ['All'], value: ['$__all'] }),
    );
  }
  for (const row of rows) {
    dashboard.withRow(new RowBuilder(row.title));
    for (const panel of row.panels) dashboard.withPanel(panel);
  }
  const built = dashboard.build();
  built.panels?.forEach((panel, index) => {
    panel.id = index + 1; // links to panels have it
  });
  return JSON.stringify(built);
}
