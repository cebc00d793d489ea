/** What the chart makes of rules and dashboards, as Prometheus and Grafana's sidecar take it. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../../controlplane/kubernetes/api/object.ts';
import { helm } from '../../support/kubernetes/helm.ts';
import { alertsOf, readDashboards, readRules, type RuleGroup } from '../../support/monitoring.ts';

type Rendered = KubeObject & { readonly data?: Readonly<Record<string, string>> };

async function render(...set: readonly string[]): Promise<readonly Rendered[]> {
  const flags = set.flatMap((each) => ['--set', each]);
  const { stdout, stderr, code } = await helm('template', 'l7mp', 'k8s/chart', '--kube-version', '1.36.0', ...flags);
  expect(code, stderr).to.equal(0);
  return parseAllDocuments(stdout).flatMap((each) => (each.contents === null ? [] : [each.toJS() as Rendered]));
}

describe('the chart for Prometheus and Grafana', () => {
  it('brings nothing of it unless asked', async () => {
    const objects = await render();
    expect(objects.filter(({ apiVersion }) => apiVersion.startsWith('monitoring.'))).to.deep.equal([]);
    expect(objects.filter(({ metadata }) => metadata.name.includes('dashboard'))).to.deep.equal([]);
  });

  it('brings the rules, less those that are disabled, with links to where the runbooks are', async () => {
    const objects = await render(
      'prometheusRule.enabled=true',
      'prometheusRule.disabledAlerts={L7mpOffloadOff}',
      'prometheusRule.runbookPrefix=https://docs.example/',
    );
    const { spec } = objects.find(({ kind }) => kind === 'PrometheusRule') as { spec: { groups: RuleGroup[] } };
    // promtool has checked those of the file.
    const expected = readRules().map((group) => ({
      ...group,
      rules: group.rules
        .filter(({ alert }) => alert !== 'L7mpOffloadOff')
        .map((rule) => {
          const { annotations } = rule;
          const url = `https://docs.example/${annotations?.['runbook_url'] ?? ''}`;
          return annotations ? { ...rule, annotations: { ...annotations, runbook_url: url } } : rule;
        }),
    }));
    expect(spec.groups).to.deep.equal(expected);
    expect(alertsOf(spec.groups)).to.have.length.above(20);
  });

  it('brings each dashboard whole, with the label that the sidecar looks for', async () => {
    const objects = await render('dashboards.enabled=true', 'dashboards.namespace=grafana');
    const found = objects.filter(({ metadata }) => metadata.labels?.['grafana_dashboard'] === '1');
    const shown = found.flatMap(({ data = {} }) => Object.entries(data));
    const names = [...readDashboards().keys()];
    expect(shown.map(([name]) => name)).to.have.members(names.map((name) => `l7mp-${name}`));
    for (const [name, text] of shown) {
      const file = readFileSync(`k8s/monitoring/dashboards/${name.replace('l7mp-', '')}`, 'utf8');
      expect(JSON.parse(text)).to.deep.equal(JSON.parse(file));
    }
    expect(found.every(({ metadata }) => metadata.namespace === 'grafana')).to.equal(true);
  });
});
