/** The pods of a Gateway: a proxy that takes its configuration from the control plane. */
import { createHash } from 'node:crypto';
import { CONTROL_PLANE } from '../api/names.ts';
import type { GatewayNeeds } from '../api/gateway-needs.ts';
import type { Opaque } from '../api/gateway-parameters.ts';
import { proxyEnv } from '../api/proxy-env.ts';
import { OWN_FILES } from './files.ts';
import type { Parameters } from './parameters.ts';
import type { InfrastructureSettings } from './settings.ts';

export interface PodInput {
  readonly name: string;
  readonly needs: GatewayNeeds;
  readonly parameters: Parameters;
  readonly settings: InfrastructureSettings;
  readonly selector: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

const CONTAINER = 'proxy';
/** The user of the image, who has no name there. */
const USER = 65_532;
/** Where probes and scrapers ask, unless a listener wants it. */
const PAGES_PORT = 1236;
/** Ports below it are the system's, of old. */
const FIRST_UNPRIVILEGED = 1024;
/** After the drain, until the process has ended for sure. */
const END_SECONDS = 5;

/** The settings of the process, which no control plane can change: its configuration file. */
export function proxyConfig({ offload, accessLog }: Parameters): string {
  const admin = {
    ...(offload?.enabled === true && { offload: 'init', offload_ifs: offload.interfaces ?? [] }),
    ...(accessLog?.enabled === true && {
      access_log_path: 'stdout',
      ...(accessLog.format !== undefined && { access_log_format: accessLog.format }),
    }),
  };
  return `${JSON.stringify({ admin }, null, 2)}\n`;
}

export function podTemplate(input: PodInput): Opaque {
  const { name, needs, parameters, labels } = input;
  const { drain, hostNetwork = false } = parameters;
  const pagesPort = freePort(needs);
  return {
    metadata: {
      labels,
      annotations: {
        ...needs.annotations,
        'prometheus.io/scrape': 'true',
        'prometheus.io/port': String(pagesPort),
        // The process reads it when it starts: another one needs other pods.
        'l7mp.io/config-hash': createHash('sha256').update(proxyConfig(parameters)).digest('hex').slice(0, 16),
      },
    },
    spec: {
      serviceAccountName: name,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: drain.delaySeconds + drain.timeoutSeconds + END_SECONDS,
      securityContext: podSecurity(needs, parameters),
      ...(hostNetwork && { hostNetwork, dnsPolicy: 'ClusterFirstWithHostNet' }),
      ...placement(input),
      containers: [container(input, pagesPort)],
      volumes: [
        { name: 'config', configMap: { name } },
        { name: 'state', emptyDir: {} },
        {
          name: 'secrets',
          projected: {
            sources: [
              { serviceAccountToken: { audience: CONTROL_PLANE.audience, expirationSeconds: 3600, path: 'token' } },
              {
                configMap: {
                  name: CONTROL_PLANE.caConfigMap,
                  items: [{ key: CONTROL_PLANE.caKey, path: CONTROL_PLANE.caKey }],
                },
              },
            ],
          },
        },
        ...(parameters.volumes ?? []),
      ],
    },
  };
}

function container(input: PodInput, pagesPort: number): Opaque {
  const { needs, parameters, settings } = input;
  const { image, imagePullPolicy, resources, logLevel, drain } = parameters;
  const { offload } = parameters;
  const probe = (path: string, periodSeconds: number, failureThreshold: number): Opaque => ({
    httpGet: { path, port: 'pages' },
    periodSeconds,
    failureThreshold,
    timeoutSeconds: 5,
  });
  return {
    name: CONTAINER,
    image,
    imagePullPolicy,
    args: [
      'proxy',
      ...['--config', `${OWN_FILES.config}/proxy.json`, '--no-watch', '--log-level', logLevel],
      ...['--http', `:${pagesPort}`, '--drain-timeout', String(drain.timeoutSeconds * 1000)],
      ...['--controlplane', settings.controlPlane],
      ...['--controlplane-ca', `${OWN_FILES.secrets}/${CONTROL_PLANE.caKey}`],
      ...['--controlplane-token-file', `${OWN_FILES.secrets}/token`],
      ...['--id', '$(POD_NAMESPACE)/$(POD_NAME)', '--state-dir', OWN_FILES.state],
    ],
    env: proxyEnv(resourceAttributes(input), parameters.env ?? []),
    ports: [
      { name: 'pages', containerPort: pagesPort, protocol: 'TCP' },
      ...distinctPorts(needs).map(({ port, protocol }) => ({ containerPort: port, protocol })),
    ],
    // It lives as long as it answers; it is ready when its first configuration is live, and no more once it drains.
    startupProbe: probe('/healthz', 1, 60),
    livenessProbe: probe('/healthz', 10, 6),
    readinessProbe: probe('/ready', 2, 2),
    // Those who send sessions here hear late that it ends: until then it takes them.
    ...(drain.delaySeconds > 0 && { lifecycle: { preStop: { sleep: { seconds: drain.delaySeconds } } } }),
    resources,
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: {
        drop: ['ALL'],
        ...capabilities(needs, parameters, offload?.enabled === true),
      },
    },
    volumeMounts: [
      { name: 'config', mountPath: OWN_FILES.config, readOnly: true },
      { name: 'state', mountPath: OWN_FILES.state },
      { name: 'secrets', mountPath: OWN_FILES.secrets, readOnly: true },
      ...(parameters.volumeMounts ?? []).map((each) => ({ ...each, readOnly: true })),
    ],
  };
}

/** Whose the telemetry is, in OpenTelemetry's words: a service is a Gateway. */
function resourceAttributes({ name, needs, parameters }: PodInput): Readonly<Record<string, string>> {
  return {
    'service.name': needs.gateway.name,
    [parameters.workload === 'DaemonSet' ? 'k8s.daemonset.name' : 'k8s.deployment.name']: name,
    'k8s.container.name': CONTAINER,
  };
}

/**
 * Kubernetes gives added capabilities to root only (there are no ambient ones, KEP-2763), and a pod in the node's network can't have
 * its own range of privileged ports: there it is a root that may do nothing else.
 */
function podSecurity(needs: GatewayNeeds, parameters: Parameters): Opaque {
  const { hostNetwork = false } = parameters;
  const root = parameters.offload?.enabled === true || bindsPrivileged(needs, parameters);
  return {
    runAsNonRoot: !root,
    runAsUser: root ? 0 : USER,
    runAsGroup: root ? 0 : USER,
    fsGroup: root ? 0 : USER,
    seccompProfile: { type: 'RuntimeDefault' },
    ...(!hostNetwork && { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }] }),
  };
}

function capabilities(needs: GatewayNeeds, parameters: Parameters, offload: boolean): Opaque {
  const add = [
    ...(offload ? ['BPF', 'NET_ADMIN', 'PERFMON'] : []),
    ...(bindsPrivileged(needs, parameters) ? ['NET_BIND_SERVICE'] : []),
  ];
  return add.length > 0 ? { add } : {};
}

function bindsPrivileged({ ports }: GatewayNeeds, { hostNetwork = false }: Parameters): boolean {
  return hostNetwork && ports.some(({ port }) => port < FIRST_UNPRIVILEGED);
}

/** Where the pods may run. */
function placement({ parameters, selector }: PodInput): Opaque {
  const { imagePullSecrets, nodeSelector, tolerations, affinity, priorityClassName, workload } = parameters;
  const labelSelector = { matchLabels: selector };
  const overNodes = {
    maxSkew: 1,
    topologyKey: 'kubernetes.io/hostname',
    whenUnsatisfiable: 'ScheduleAnyway',
  };
  const constraints = parameters.topologySpreadConstraints ?? (workload === 'Deployment' ? [overNodes] : []);
  return {
    ...(imagePullSecrets && { imagePullSecrets }),
    ...(nodeSelector && { nodeSelector }),
    ...(tolerations && { tolerations }),
    ...(affinity && { affinity }),
    ...(priorityClassName !== undefined && { priorityClassName }),
    ...(constraints.length > 0 && {
      topologySpreadConstraints: constraints.map((each) => ({ labelSelector, ...each })),
    }),
  };
}

/** Each port of each protocol once, in order. */
export function distinctPorts({ ports }: GatewayNeeds): GatewayNeeds['ports'] {
  const byKey = new Map(ports.map(({ port, protocol }) => [`${port}/${protocol}`, { port, protocol }]));
  return [...byKey.values()].sort((a, b) => a.port - b.port || a.protocol.localeCompare(b.protocol));
}

function freePort({ ports }: GatewayNeeds): number {
  const taken = new Set(ports.filter(({ protocol }) => protocol === 'TCP').map(({ port }) => port));
  let port = PAGES_PORT;
  while (taken.has(port)) port += 1;
  return port;
}
