/** The file with which an installation says how gateways are run: the `spec` of a GatewayParameters, with an image. */
import { type Fault, FaultsError } from '../../../common/errors.ts';
import { isJsonObject } from '../../../common/json.ts';
import type { GatewayParametersSpec } from '../api/gateway-parameters.ts';
import { envFaults } from '../api/proxy-env.ts';
import type { InfrastructureSettings } from './settings.ts';

type Shape = 'text' | 'a whole number' | 'true or false' | 'an object' | 'a list';

/** The outer shape; what is inside is the API server's to check, with the objects that are made of it. */
const SHAPES: Readonly<Record<keyof GatewayParametersSpec, Shape>> = {
  workload: 'text',
  replicas: 'a whole number',
  image: 'text',
  imagePullPolicy: 'text',
  imagePullSecrets: 'a list',
  resources: 'an object',
  nodeSelector: 'an object',
  tolerations: 'a list',
  affinity: 'an object',
  topologySpreadConstraints: 'a list',
  priorityClassName: 'text',
  hostNetwork: 'true or false',
  offload: 'an object',
  env: 'a list',
  volumes: 'a list',
  volumeMounts: 'a list',
  logLevel: 'text',
  accessLog: 'an object',
  drain: 'an object',
  service: 'an object',
  autoscaling: 'an object',
  disruptionBudget: 'an object',
};

const FITS: Readonly<Record<Shape, (value: unknown) => boolean>> = {
  text: (value) => typeof value === 'string' && value !== '',
  'a whole number': (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  'true or false': (value) => typeof value === 'boolean',
  'an object': isJsonObject,
  'a list': Array.isArray,
};

/** @throws FaultsError with all that is wrong, Error where it is no YAML */
export async function parseGatewayDefaults(text: string): Promise<InfrastructureSettings['defaults']> {
  const { parse } = await import('yaml');
  const value = parse(text) as unknown;
  if (!FITS['an object'](value)) {
    throw new FaultsError([{ path: '', expected: 'the spec of a GatewayParameters', found: show(value) }]);
  }
  const fields = value as Readonly<Record<string, unknown>>;
  const faults: Fault[] = [];
  for (const [path, found] of Object.entries(fields)) {
    const shape = Object.hasOwn(SHAPES, path) ? SHAPES[path as keyof GatewayParametersSpec] : undefined;
    if (shape === undefined) faults.push({ path, expected: `one of ${Object.keys(SHAPES).join(', ')}`, found: path });
    else if (!FITS[shape](found)) faults.push({ path, expected: shape, found: show(found) });
  }
  const { workload, env } = fields;
  if (typeof workload === 'string' && workload !== 'Deployment' && workload !== 'DaemonSet') {
    faults.push({ path: 'workload', expected: 'Deployment or DaemonSet', found: show(workload) });
  }
  if (Array.isArray(env)) faults.push(...envFaults(env, 'env'));
  if (fields['image'] === undefined) faults.push({ path: 'image', expected: 'the image of proxies', found: 'nothing' });
  if (faults.length > 0) throw new FaultsError(faults);
  return fields as unknown as InfrastructureSettings['defaults'];
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 100);
}
