/** The rules and dashboards of k8s/monitoring as tests read them, and Prometheus's own programs. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { type Result, runCommand } from './command.ts';

/** Unpacked by scripts/setup-tests.sh. */
const PROGRAMS = '.cache/prometheus/usr/bin';
export const PROMETHEUS = join(PROGRAMS, 'prometheus');
const PROMTOOL = join(PROGRAMS, 'promtool');

export const RULES = 'k8s/monitoring/rules.yaml';
const DASHBOARDS = 'k8s/monitoring/dashboards';

/** For a suite's `before`: where they are not there, the tests are skipped. */
export function needPrometheus(context: Mocha.Context): void {
  if (!existsSync(PROMETHEUS)) context.skip();
}

export const promtool = (args: readonly string[], input = ''): Promise<Result> => runCommand(PROMTOOL, args, input);

export interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface RuleGroup {
  readonly name: string;
  readonly rules: readonly Rule[];
}

export function readRules(): readonly RuleGroup[] {
  return (parse(readFileSync(RULES, 'utf8')) as { groups: RuleGroup[] }).groups;
}

export const alertsOf = (groups: readonly RuleGroup[]): (Rule & { readonly alert: string })[] =>
  groups.flatMap(({ rules }) =>
    rules.flatMap((rule) => (rule.alert === undefined ? [] : { ...rule, alert: rule.alert })),
  );

export interface Panel {
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig?: {
    readonly defaults: {
      readonly min?: number;
      readonly thresholds?: { readonly steps: readonly { readonly value: number | null; readonly color: string }[] };
    };
  };
  readonly targets?: readonly { readonly expr: string; readonly exemplar?: boolean }[];
  readonly panels?: readonly Panel[];
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly query: string }[];
  };
}

/** By the names of their files. */
export function readDashboards(): ReadonlyMap<string, Dashboard> {
  return new Map(
    readdirSync(DASHBOARDS).map((file) => [
      file,
      JSON.parse(readFileSync(join(DASHBOARDS, file), 'utf8')) as Dashboard,
    ]),
  );
}

/** Those that show something: not the rows. */
export const panelsOf = ({ panels }: Dashboard): readonly Panel[] => panels.filter(({ type }) => type !== 'row');
