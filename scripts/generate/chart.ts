/** Makes the JSON schema of the chart's values; that of gateways' defaults is the schema of GatewayParameters. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

type Schema = Readonly<Record<string, unknown>>;

const object = (properties: Readonly<Record<string, Schema>>): Schema => ({
  type: 'object',
  additionalProperties: false,
  properties,
});
const list = (items: Schema): Schema => ({ type: 'array', items });
const string: Schema = { type: 'string' };
const boolean: Schema = { type: 'boolean' };
const name: Schema = { type: 'string', minLength: 1 };
/** What Kubernetes checks. */
const opaque: Schema = { type: 'object' };
const strings: Schema = { type: 'object', additionalProperties: string };
const count = (minimum: number): Schema => ({ type: 'integer', minimum });
/** A label's key, with a domain in front or none. */
const labelKey: Schema = {
  type: 'string',
  maxLength: 317,
  pattern: '^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$',
};
const digest: Schema = { type: 'string', pattern: '^$|^[a-z0-9]+:[0-9a-f]{32,}$' };
const image = { repository: name, tag: string, digest };

const monitor = object({
  enabled: boolean,
  interval: { type: 'string', pattern: '^[0-9]+(ms|s|m|h)$' },
  labels: strings,
});

const CRD = 'k8s/crds/gatewayparameters.yaml';

interface Definition {
  readonly spec: {
    readonly versions: readonly {
      readonly schema: { readonly openAPIV3Schema: { readonly properties: { readonly spec: Schema } } };
    }[];
  };
}

export function makeValuesSchema(): Schema {
  const { spec } = parse(readFileSync(CRD, 'utf8')) as Definition;
  const parameters = spec.versions[0]?.schema.openAPIV3Schema.properties.spec ?? {};
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart l7mp',
    ...object({
      controlPlane: object({
        image: object({ ...image, pullPolicy: { enum: ['Always', 'IfNotPresent', 'Never'] } }),
        replicas: count(1),
        store: { type: 'string', pattern: '^$|^kubernetes:.+|^etcd://.+|^embedded:.+' },
        logLevel: { enum: ['silly', 'trace', 'verbose', 'debug', 'info', 'http', 'notice', 'warn', 'error', 'silent'] },
        resources: opaque,
        nodeSelector: strings,
        tolerations: list(opaque),
        affinity: opaque,
        priorityClassName: string,
        podLabels: strings,
        podAnnotations: strings,
        podDisruptionBudget: object({ enabled: boolean, maxUnavailable: { type: ['integer', 'string'] } }),
        extraArgs: list(string),
        extraEnv: list(opaque),
        extraVolumes: list(opaque),
        extraVolumeMounts: list(opaque),
        serviceAccount: object({ annotations: strings }),
      }),
      imagePullSecrets: list(object({ name })),
      proxy: object({ image: object(image) }),
      gateways: object({ defaults: closed(parameters) as Schema }),
      gatewayClass: object({
        create: { enum: ['auto', true, false] },
        name,
        parametersRef: object({ name, namespace: name }),
      }),
      injector: object({
        enabled: boolean,
        label: labelKey,
        failurePolicy: { enum: ['Ignore', 'Fail'] },
        timeoutSeconds: { type: 'integer', minimum: 1, maximum: 30 },
        env: list({ type: 'object', required: ['name'], properties: { name: { type: 'string', pattern: '^OTEL_' } } }),
      }),
      tls: object({ existingSecret: string }),
      crds: object({ install: boolean, keep: boolean }),
      rbac: object({ create: boolean }),
      networkPolicy: object({ enabled: boolean, metricsFrom: list(opaque), proxiesFrom: list(opaque) }),
      serviceMonitor: monitor,
      podMonitor: monitor,
      prometheusRule: object({ enabled: boolean, labels: strings, runbookPrefix: string, disabledAlerts: list(name) }),
      dashboards: object({ enabled: boolean, labels: strings, annotations: strings, namespace: string }),
      commonLabels: strings,
      // Helm's own, where this is the chart of another's.
      global: opaque,
    }),
  };
}

/** A schema of Kubernetes as one of JSON: without its extensions, and with unknown fields refused, as the API server prunes them. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { properties, ...others } = schema as { readonly properties?: Schema };
  const rest = Object.entries(others).filter(([key]) => !key.startsWith('x-kubernetes-') && key !== 'format');
  const isEither = 'x-kubernetes-int-or-string' in others;
  return {
    ...Object.fromEntries(rest.map(([key, value]) => [key, closed(value)])),
    ...(isEither && { type: ['integer', 'string'] }),
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, closed(value)])),
      additionalProperties: false,
    }),
  };
}
