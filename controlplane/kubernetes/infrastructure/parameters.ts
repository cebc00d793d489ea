/** Parameters of a Gateway, out of those that stand above each other: ours, the operator's, the class's, its own. */
import type { GatewayParametersSpec } from '../api/gateway-parameters.ts';
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import { isJsonObject, type JsonObject } from '../../../common/json.ts';
import { mergeItems, type Plain } from '../api/plain.ts';
import type { InfrastructureSettings } from './settings.ts';

/** What counts where nobody says anything; k8s/crds says the same to readers. */
const DEFAULTS = {
  workload: 'Deployment',
  replicas: 2,
  imagePullPolicy: 'IfNotPresent',
  resources: { requests: { cpu: '100m', memory: '128Mi' } },
  logLevel: 'info',
  drain: { delaySeconds: 5, timeoutSeconds: 60 },
  service: { type: 'LoadBalancer' },
} as const;

export type Parameters = GatewayParametersSpec &
  Required<Pick<GatewayParametersSpec, 'image' | keyof typeof DEFAULTS>> & {
    readonly drain: Required<NonNullable<GatewayParametersSpec['drain']>>;
    readonly service: Required<Pick<NonNullable<GatewayParametersSpec['service']>, 'type'>>;
  };

/** The later ones count more: objects are merged field by field, lists are taken whole (RFC 7396), but for those in `KEYS`. */
export function mergeParameters(
  settings: InfrastructureSettings,
  parameters: readonly GatewayParametersSpec[],
): Parameters {
  return [settings.defaults, ...parameters].reduce<Plain>(merge, DEFAULTS) as unknown as Parameters;
}

function merge(under: Plain, over: object): Plain {
  const merged: JsonObject = { ...under };
  for (const [key, value] of Object.entries(over) as [string, Json | undefined][]) {
    if (value === null || value === undefined) continue;
    const below = merged[key];
    const itemKey = KEYS.get(key);
    if (itemKey !== undefined && Array.isArray(value))
      merged[key] = mergeItems(itemKey, Array.isArray(below) ? below : [], value);
    else merged[key] = isJsonObject(value) ? merge(isJsonObject(below) && !isWhole(key) ? below : {}, value) : value;
  }
  return merged;
}

/** Lists whose items are merged as Kubernetes merges those of pods, by a field: an item counts whole. */
const KEYS: ReadonlyMap<string, string> = new Map([
  ['env', 'name'],
  ['volumes', 'name'],
  ['volumeMounts', 'mountPath'],
]);

/** Parts of one of these say little without the rest: two of them are no sensible third. */
function isWhole(key: string): boolean {
  return key === 'affinity' || key === 'disruptionBudget';
}
