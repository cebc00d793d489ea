import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { baseOf, labelsOf, metricsOf } from '../../../support/expressions.ts';
import { alertsOf, panelsOf, readDashboards, readRules } from '../../../support/monitoring.ts';

describe('rules and dashboards', () => {
  const alerts = alertsOf(readRules());
  const runbooks = readFileSync('docs/runbooks.md', 'utf8');
  const dashboards = [...readDashboards().values()];

  it('have a section in docs/runbooks.md for each alert, and an alert for each section', () => {
    const sections = Array.from(runbooks.matchAll(/^### (\w+)$/gmu), ([, name]) => name);
    expect(sections).to.deep.equal(alerts.map(({ alert }) => alert));
    for (const section of runbooks.split(/^### /mu).slice(1)) {
      expect(section)
        .to.match(/^- Look: /mu)
        .and.to.match(/^- Do: /mu);
    }
  });

  it('say of each alert how bad it is, what is wrong, and where its section is', () => {
    for (const { alert, labels, annotations } of alerts) {
      expect(labels?.['severity'], alert).to.be.oneOf(['warning', 'critical']);
      expect(annotations, alert).to.have.all.keys('summary', 'description', 'runbook_url');
      expect(annotations?.['runbook_url']).to.equal(`docs/runbooks.md#${alert.toLowerCase()}`);
    }
  });

  it('name metrics and labels that docs/observability.md explains', () => {
    const page = readFileSync('docs/observability.md', 'utf8');
    const rows = page.split('\n').filter((line) => line.startsWith('| `'));
    const explained = (metric: string): string[] =>
      rows.filter((row) => row.includes(`\`${metric}\``) || row.includes(`\`${baseOf(metric)}\``));
    const ofTargets = ['job', 'instance', 'namespace', 'service_name'];
    const all = [
      ...readRules().flatMap(({ rules }) => rules.map(({ expr }) => expr)),
      ...dashboards.flatMap((each) => panelsOf(each).flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))),
    ];
    for (const expr of all) {
      const metrics = metricsOf(expr).filter((metric) => metric !== 'target_info');
      const found = metrics.map(explained);
      metrics.forEach((metric, index) => expect(found[index], metric).to.not.have.length(0));
      if (metrics.length === 0) continue;
      const labels = found.flat(2).join('');
      for (const label of labelsOf(expr))
        if (!ofTargets.includes(label)) expect(labels, expr).to.include(`\`${label}\``);
    }
  });

  it('show every metric of ours that docs/observability.md explains', () => {
    const page = readFileSync('docs/observability.md', 'utf8');
    const explained = Array.from(
      page.matchAll(/`((?:l7mp|http_server|http_client)_[a-z0-9_]+)`/gu),
      ([, name = '']) => name,
    );
    const exprs = dashboards.flatMap((each) => panelsOf(each).flatMap(({ targets = [] }) => targets));
    const shown = new Set(exprs.flatMap(({ expr }) => metricsOf(expr).flatMap((name) => [name, baseOf(name)])));
    expect(explained.filter((name) => !shown.has(name))).to.deep.equal([]);
  });

  it('lead from histograms to traces', () => {
    for (const panel of dashboards.flatMap(panelsOf)) {
      const targets = (panel.targets ?? []).filter(({ expr }) => expr.startsWith('histogram_quantile('));
      if (targets.length === 0) continue;
      expect(
        targets.map(({ expr, exemplar }) => [/[\d.]+/u.exec(expr)?.[0], exemplar]),
        panel.title,
      ).to.deep.equal([
        ['0.5', undefined],
        ['0.9', undefined],
        ['0.99', true],
      ]);
    }
  });

  it('have panels with a title and a unit, which do not lie upon each other', () => {
    for (const { title, panels } of dashboards) {
      const taken = new Set<string>();
      for (const panel of panels) {
        expect(panel.title).to.not.equal('');
        const { x, y, w, h } = panel.gridPos;
        expect(x + w).to.be.at.most(24);
        for (let column = x; column < x + w; column++) {
          for (let line = y; line < y + h; line++) {
            const place = `${column}/${line}`;
            expect(taken.has(place), `${title}: ${panel.title}`).to.equal(false);
            taken.add(place);
          }
        }
      }
    }
    expect(new Set(dashboards.map(({ uid }) => uid)).size).to.equal(dashboards.length);
  });

  it('show what is below zero where that says something: for how long a certificate has ended', () => {
    const panels = dashboards
      .flatMap(panelsOf)
      .filter(({ targets = [] }) => targets.some(({ expr }) => expr.endsWith('- time()')));
    expect(panels.length).to.be.above(1);
    for (const { title, fieldConfig } of panels) expect(fieldConfig?.defaults.min, title).to.equal(undefined);
  });

  it('alarm where there is no leader, or more than one', () => {
    const leaders = dashboards.flatMap(panelsOf).find(({ title }) => title === 'Leaders');
    const steps = leaders?.fieldConfig?.defaults.thresholds?.steps ?? [];
    const colourOf = (value: number) => steps.findLast((step) => (step.value ?? -Infinity) <= value)?.color;
    expect([0, 1, 2, 3].map(colourOf)).to.deep.equal(['red', 'green', 'red', 'red']);
  });

  it('ask only for variables that the dashboards have', () => {
    for (const dashboard of dashboards) {
      const names = dashboard.templating.list.map(({ name }) => name);
      for (const { expr } of panelsOf(dashboard).flatMap(({ targets = [] }) => targets)) {
        const asked = Array.from(expr.matchAll(/\$(\w+)/gu), ([, name = '']) => name);
        expect([...names, '__rate_interval'], expr).to.include.members(asked);
      }
    }
  });
});
