/** The proxy beside an application: its container, its volumes, and the configuration of its process. Pure. */
import { proxyEnv } from '../api/proxy-env.ts';
import { ANNOTATIONS, type Parameters } from './parameters.ts';
import type { InjectorSettings } from './settings.ts';

export const CONTAINER = 'l7mp';
const VOLUMES = { config: 'l7mp-config', state: 'l7mp-state', secrets: 'l7mp-secrets' } as const;
const SECRETS = '/var/run/secrets/l7mp';
const STATE = '/var/lib/l7mp';
const CONFIG = '/etc/l7mp';
const CONFIG_FILE = 'proxy.json';
/** The user of the image, who has no name there. */
const USER = 65_532;
const TOKEN_SECONDS = 3600;
/** After the drain, until the process has ended for sure, in s. */
const END_SECONDS = 2;
/** A pod's, where it says nothing (core/v1). */
const GRACE_SECONDS = 30;

/**
 * The configuration file: what the control plane can't change. What is captured goes where it was meant to, unless listeners of
 * the control plane take it, as they come later.
 */
export function proxyConfig({ capture, inbound, outbound }: Parameters, { pagesPort }: InjectorSettings): string {
  const directions = (['outbound', 'inbound'] as const).filter((each) => capture === 'all' || capture === each);
  if (directions.length === 0) return JSON.stringify({ admin: {} });
  const pages = { ...inbound, exclude_ports: [...inbound.exclude_ports, `${pagesPort}/tcp`] };
  const listeners = directions.flatMap((captured) =>
    (['TCP', 'UDP'] as const).map((protocol) => ({
      name: `captured-${captured}-${protocol.toLowerCase()}`,
      spec: { protocol, address: '::', port: 0, captured },
      rules: [{ action: { route: { destination: `captured-${protocol.toLowerCase()}` } } }],
    })),
  );
  const clusters = ['TCP', 'UDP'].map((protocol) => ({
    name: `captured-${protocol.toLowerCase()}`,
    spec: { protocol },
    original_destination: true,
  }));
  return JSON.stringify({ admin: { capture: { outbound, inbound: pages } }, listeners, clusters });
}

/**
 * A container that starts before all others and ends after the application (KEP-753, Kubernetes 1.29): an init container that is
 * started again.
 *
 * @param service whose telemetry its proxy's is; `l7mp` where nothing says
 */
export function sidecarContainer(
  parameters: Parameters,
  settings: InjectorSettings,
  service: string | undefined,
  graceSeconds: number = GRACE_SECONDS,
): object {
  const { image, imagePullPolicy = 'IfNotPresent', controlPlane, caKey, pagesPort } = settings;
  const { logLevel, resources, capture, volumes } = parameters;
  const drainSeconds = Math.max(0, Math.min(parameters.drainSeconds, graceSeconds - END_SECONDS));
  const probe = (path: string, periodSeconds: number, failureThreshold: number): object => ({
    httpGet: { path, port: pagesPort },
    periodSeconds,
    failureThreshold,
    timeoutSeconds: 5,
  });
  return {
    name: CONTAINER,
    image,
    imagePullPolicy,
    restartPolicy: 'Always',
    args: [
      'proxy',
      ...['--config', `${CONFIG}/${CONFIG_FILE}`, '--no-watch', '--log-level', logLevel],
      ...['--http', `:${pagesPort}`, '--drain-timeout', String(drainSeconds * 1000)],
      ...['--controlplane', controlPlane],
      ...['--controlplane-ca', `${SECRETS}/${caKey}`],
      ...['--controlplane-token-file', `${SECRETS}/token`],
      ...['--id', '$(POD_NAMESPACE)/$(POD_NAME)', '--state-dir', STATE],
    ],
    env: proxyEnv(
      { ...(service !== undefined && { 'service.name': service }), 'k8s.container.name': CONTAINER },
      parameters.env,
    ),
    ports: [{ name: 'l7mp-pages', containerPort: pagesPort, protocol: 'TCP' }],
    // The application starts when the proxy answers, with a control plane or without.
    startupProbe: probe('/healthz', 1, 60),
    livenessProbe: probe('/healthz', 10, 6),
    readinessProbe: probe('/ready', 2, 2),
    resources,
    securityContext: securityContext(capture !== 'none'),
    volumeMounts: [
      { name: VOLUMES.config, mountPath: CONFIG, readOnly: true },
      { name: VOLUMES.state, mountPath: STATE },
      { name: VOLUMES.secrets, mountPath: SECRETS, readOnly: true },
      ...Array.from(volumes, ([mountPath, name]) => ({ name, mountPath })),
    ],
  };
}

/** Kubernetes gives added capabilities to root only, as there are no ambient ones (KEP-2763): a root that may do nothing else. */
function securityContext(captures: boolean): object {
  return {
    allowPrivilegeEscalation: false,
    privileged: false,
    readOnlyRootFilesystem: true,
    runAsNonRoot: !captures,
    runAsUser: captures ? 0 : USER,
    runAsGroup: captures ? 0 : USER,
    seccompProfile: { type: 'RuntimeDefault' },
    capabilities: { drop: ['ALL'], ...(captures && { add: ['BPF', 'NET_ADMIN'] }) },
  };
}

/** Where the proxy has what is its own: other volumes have no place there. */
export const OWN_PATHS: readonly string[] = [CONFIG, STATE, SECRETS];

export function sidecarVolumes({
  audience,
  caConfigMap,
  caKey,
}: InjectorSettings): readonly { readonly name: string }[] {
  const file = { path: CONFIG_FILE, fieldRef: { fieldPath: `metadata.annotations['${ANNOTATIONS.config}']` } };
  const token = { serviceAccountToken: { audience, expirationSeconds: TOKEN_SECONDS, path: 'token' } };
  const authorities = { configMap: { name: caConfigMap, items: [{ key: caKey, path: caKey }] } };
  const volumes = [
    { name: VOLUMES.config, downwardAPI: { items: [file] } },
    { name: VOLUMES.state, emptyDir: {} },
    { name: VOLUMES.secrets, projected: { sources: [token, authorities] } },
  ];
  return volumes;
}
