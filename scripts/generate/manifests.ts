/** Renders the chart as `l7mp install` has it, and as `kubectl apply` takes it, by Helm itself. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Built by scripts/setup-tests.sh. */
const HELM = '.cache/gobin/helm';
/** The oldest that the chart is for. */
const KUBERNETES = '1.30.0';

/** Undefined where there is no Helm here. */
export function printManifests(): string | undefined {
  if (!existsSync(HELM)) return undefined;
  const text = execFileSync(
    HELM,
    [
      ...['template', 'l7mp', 'k8s/chart', '--namespace', 'l7mp-system', '--kube-version', KUBERNETES],
      ...['--set', 'gatewayClass.create=true', '--set', 'crds.keep=false'],
      '--skip-schema-validation', // the schema may be the one of before: it is generated, too
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  return [
    '# The chart with its default values, in the namespace l7mp-system, for those who have no Helm:',
    '# `l7mp install`, or `kubectl create namespace l7mp-system` and `kubectl apply --server-side -f` this.',
    '# `npm run generate` makes it of k8s/chart. Do not edit.',
    text.replaceAll('app.kubernetes.io/managed-by: Helm', 'app.kubernetes.io/managed-by: l7mp-install').trimEnd(),
    '',
  ].join('\n');
}
