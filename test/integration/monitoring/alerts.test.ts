/** The alert rules, as Prometheus evaluates them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { alertsOf, needPrometheus, promtool, readRules, RULES } from '../../support/monitoring.ts';
import { type AlertCase, CASES } from './alert-cases.ts';

describe('alert rules', () => {
  const groups = readRules();
  const alerts = alertsOf(groups);
  let directory: string;

  before(function () {
    needPrometheus(this);
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    // promtool compares annotations letter by letter: what is said is not what is tested here.
    const bare = groups.map((group) => ({
      ...group,
      rules: group.rules.map(({ annotations: _said, ...rule }) => rule),
    }));
    writeFileSync(join(directory, 'rules.yaml'), JSON.stringify({ groups: bare }));
  });
  after(() => {
    if (directory) rmSync(directory, { recursive: true });
  });

  it('are right to promtool', async () => {
    const { code, stdout, stderr } = await promtool(['check', 'rules', RULES]);
    expect(code, stdout + stderr).to.equal(0);
  });

  it('have a case each', () => {
    expect([...new Set(CASES.map(({ alert }) => alert))]).to.have.members(alerts.map(({ alert }) => alert));
  });

  for (const each of CASES) {
    const when = each.when === undefined ? '' : `, when ${each.when},`;
    it(`${each.alert}${when} fires where it has to, and nowhere else`, async () => {
      const file = join(directory, `${each.alert}.yaml`);
      const tests = [testOf(each, true), testOf(each, false)];
      writeFileSync(
        file,
        JSON.stringify({ rule_files: ['rules.yaml'], evaluation_interval: each.every ?? '1m', tests }),
      );
      const { code, stdout, stderr } = await promtool(['test', 'rules', file]);
      expect(code, stdout + stderr).to.equal(0);
    });
  }

  function testOf({ alert, at = '60m', every = '1m', labels, ...series }: AlertCase, fires: boolean): object {
    const severity = alerts.find((rule) => rule.alert === alert)?.labels?.['severity'];
    const all = Object.entries(fires ? series.fires : series.silent);
    return {
      interval: every,
      input_series: all.map(([name, values]) => ({ series: name, values })),
      alert_rule_test: [
        {
          alertname: alert,
          eval_time: at,
          exp_alerts: fires ? [{ exp_labels: { job: 'l7mp', severity, ...labels } }] : [],
        },
      ],
    };
  }
});
