/** All dashboards of Grafana, by the names of their files. */
import { controlPlaneDashboard } from './control-plane.ts';
import { kubernetesDashboard } from './kubernetes.ts';
import { proxiesDashboard } from './proxies.ts';
import { xdsClientDashboard } from './xds-client.ts';

export const makeDashboards = (): Readonly<Record<string, string>> => ({
  'proxies.json': proxiesDashboard(),
  'xds-client.json': xdsClientDashboard(),
  'control-plane.json': controlPlaneDashboard(),
  'kubernetes.json': kubernetesDashboard(),
});
