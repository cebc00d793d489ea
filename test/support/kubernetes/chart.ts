/** The chart on a testbed with a node, as `helm install` would bring it there. */
import { join } from 'node:path';
import { stringify } from 'yaml';
import { runCommand } from '../command.ts';
import type { Kube } from './kube.ts';
import { BIN } from './program.ts';

/** Where it is installed. */
export const SYSTEM = 'l7mp-system';

/** As few processes as can be. The store is gone with the pod. */
const VALUES = {
  controlPlane: {
    replicas: 1,
    store: 'embedded:/data',
    extraVolumes: [{ name: 'data', emptyDir: {} }],
    extraVolumeMounts: [{ name: 'data', mountPath: '/data' }],
  },
  gatewayClass: { create: true },
  gateways: { defaults: { replicas: 1 } },
};

/** Resolves when the control plane runs. */
export async function installChart(kube: Kube): Promise<void> {
  const helm = await runCommand(
    join(BIN, 'helm'),
    ['template', 'l7mp', 'k8s/chart', '--namespace', SYSTEM, '--kube-version', '1.30.0', '--values', '-'],
    stringify(VALUES),
  );
  if (helm.code !== 0) throw new Error(helm.stderr);
  await kube.kubectl(['create', 'namespace', SYSTEM]);
  await kube.kubectl(['apply', '--server-side', '--namespace', SYSTEM, '-f', '-'], helm.stdout);
  await kube.kubectl(['-n', SYSTEM, 'rollout', 'status', 'deployment/l7mp-controlplane', '--timeout=100s']);
}
