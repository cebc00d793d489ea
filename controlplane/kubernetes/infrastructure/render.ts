/** What is applied for a Gateway: a pure function of what it needs. */
import type { Fault } from '../../../common/errors.ts';
import type { GatewayNeeds } from '../api/gateway-needs.ts';
import type { Opaque } from '../api/gateway-parameters.ts';
import { GATEWAY_NAME_LABEL, gatewayWorkloadName, MANAGED_BY, MANAGED_BY_LABEL } from '../api/names.ts';
import type { KubeObject } from '../api/object.ts';
import { envFaults, otelFaults } from '../api/proxy-env.ts';
import { fileFaults } from './files.ts';
import { mergeParameters, type Parameters } from './parameters.ts';
import { type PodInput, podTemplate, proxyConfig } from './pod.ts';
import { addressFaults, serviceSpec } from './service.ts';
import type { InfrastructureSettings } from './settings.ts';

/** An object with the fields that stand beside `spec`, as ConfigMaps have. */
export type Manifest = KubeObject & Opaque;

export interface Rendered {
  /** In the order in which they are applied; none where there are faults. */
  readonly objects: readonly Manifest[];
  readonly faults: readonly Fault[];
}

/** A label's value. */
const MAX_LABEL_VALUE = 63;

export function renderGateway(needs: GatewayNeeds, settings: InfrastructureSettings): Rendered {
  const { gateway } = needs;
  const parameters = mergeParameters(settings, needs.parameters);
  const faults = [...addressFaults(needs, parameters), ...parameterFaults(parameters)];
  if (gateway.name.length > MAX_LABEL_VALUE) {
    const expected = `at most ${MAX_LABEL_VALUE} characters, as pods carry it in a label`;
    faults.unshift({ path: 'metadata.name', expected, found: String(gateway.name.length) });
  }
  if (faults.length > 0) return { objects: [], faults };

  const name = gatewayWorkloadName(gateway.name, gateway.className);
  const selector = { [GATEWAY_NAME_LABEL]: gateway.name };
  const labels = {
    ...needs.labels,
    'app.kubernetes.io/name': 'l7mp',
    'app.kubernetes.io/component': 'gateway',
    [MANAGED_BY_LABEL]: MANAGED_BY,
    ...selector,
  };
  const make = (apiVersion: string, kind: string, content: object, annotations: object = {}): Manifest => ({
    apiVersion,
    kind,
    metadata: {
      name,
      namespace: gateway.namespace,
      labels,
      annotations: { ...needs.annotations, ...annotations },
      // What is made goes with the Gateway.
      ownerReferences: [
        { apiVersion: gateway.apiVersion, kind: 'Gateway', name: gateway.name, uid: gateway.uid, controller: true },
      ],
    },
    ...content,
  });
  const service = serviceSpec(needs, parameters, selector);
  const { workload, autoscaling, disruptionBudget } = parameters;
  return {
    faults,
    objects: [
      make('v1', 'ServiceAccount', { automountServiceAccountToken: false }),
      make('v1', 'ConfigMap', { data: { 'proxy.json': proxyConfig(parameters) } }),
      ...(service ? [make('v1', 'Service', { spec: service }, parameters.service.annotations)] : []),
      make('apps/v1', workload, { spec: workloadSpec({ name, needs, parameters, settings, selector, labels }) }),
      ...(disruptionBudget
        ? [
            make('policy/v1', 'PodDisruptionBudget', {
              spec: { selector: { matchLabels: selector }, ...disruptionBudget },
            }),
          ]
        : []),
      ...(autoscaling && workload === 'Deployment'
        ? [make('autoscaling/v2', 'HorizontalPodAutoscaler', { spec: autoscalerSpec(name, autoscaling) })]
        : []),
    ],
  };
}

/** What the API server takes, and the proxy would not start with. */
function parameterFaults(parameters: Parameters): Fault[] {
  const { env = [] } = parameters;
  const faults = envFaults(env, 'env');
  return [...faults, ...(faults.length > 0 ? [] : otelFaults(env, 'env')), ...fileFaults(parameters)];
}

function workloadSpec(input: PodInput): Opaque {
  const { workload, replicas, autoscaling, hostNetwork = false } = input.parameters;
  // A new pod comes before an old one goes, but where both would want the same ports of a node.
  const rollingUpdate = hostNetwork ? { maxUnavailable: 1, maxSurge: 0 } : { maxUnavailable: 0, maxSurge: 1 };
  const strategy = { type: 'RollingUpdate', rollingUpdate };
  return {
    ...(workload === 'Deployment'
      ? { strategy, revisionHistoryLimit: 3, ...(!autoscaling && { replicas }) }
      : { updateStrategy: strategy, revisionHistoryLimit: 3 }),
    selector: { matchLabels: input.selector },
    template: podTemplate(input),
  };
}

function autoscalerSpec(name: string, autoscaling: NonNullable<Parameters['autoscaling']>): Opaque {
  const { minReplicas = 2, maxReplicas, targetCPUUtilizationPercentage = 80 } = autoscaling;
  const target = { type: 'Utilization', averageUtilization: targetCPUUtilizationPercentage };
  return {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
    minReplicas,
    maxReplicas,
    metrics: [{ type: 'Resource', resource: { name: 'cpu', target } }],
  };
}
