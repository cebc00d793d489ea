/** What a pod says of its proxy, by annotations. */
import type { Fault } from '../../../common/errors.ts';
import { nearest } from '../../../common/nearest.ts';
import { parseCidr, parsePortRange } from '../../../common/networks.ts';
import type { EnvVar } from '../api/env-var.ts';
import { mergeItems } from '../api/plain.ts';
import { otelFaults } from '../api/proxy-env.ts';
import { parseSidecarEnv } from './sidecar-env.ts';
import type { CaptureMode, InjectorSettings, Resources } from './settings.ts';

/** Annotations of pods. */
export const ANNOTATIONS = {
  /** What has become of the pod: `injected`, or `skipped: ` and why. */
  status: 'l7mp.io/injection-status',
  /** Written by us: the configuration file of the proxy, which a volume shows to it. */
  config: 'l7mp.io/proxy-config',
  capture: 'l7mp.io/capture',
  inboundPorts: 'l7mp.io/capture-inbound-ports',
  inboundExcludePorts: 'l7mp.io/capture-inbound-exclude-ports',
  inboundExcludeCidrs: 'l7mp.io/capture-inbound-exclude-cidrs',
  outboundPorts: 'l7mp.io/capture-outbound-ports',
  outboundExcludePorts: 'l7mp.io/capture-outbound-exclude-ports',
  outboundExcludeCidrs: 'l7mp.io/capture-outbound-exclude-cidrs',
  cpu: 'l7mp.io/proxy-cpu',
  memory: 'l7mp.io/proxy-memory',
  cpuLimit: 'l7mp.io/proxy-cpu-limit',
  memoryLimit: 'l7mp.io/proxy-memory-limit',
  logLevel: 'l7mp.io/proxy-log-level',
  drainSeconds: 'l7mp.io/proxy-drain-seconds',
  volumes: 'l7mp.io/proxy-volumes',
  env: 'l7mp.io/proxy-env',
} as const;

type Name = keyof typeof ANNOTATIONS;

/** Annotations that begin so are ours to read: one that is unknown is a slip, and the pod would get what its owner did not mean. */
const READ = /^l7mp\.io\/(?:capture|proxy)/u;

export interface CaptureLists {
  readonly ports: readonly string[];
  readonly exclude_ports: readonly string[];
  readonly exclude_cidrs: readonly string[];
}

export interface Parameters {
  readonly capture: CaptureMode;
  readonly inbound: CaptureLists;
  readonly outbound: CaptureLists;
  readonly resources: Resources;
  readonly logLevel: string;
  readonly drainSeconds: number;
  /** Of the proxy's environment: the pod's beside the settings', by name. */
  readonly env: readonly EnvVar[];
  /** Volumes of the pod that the proxy has, too: names by paths. */
  readonly volumes: ReadonlyMap<string, string>;
}

const MODES: readonly string[] = ['all', 'inbound', 'outbound', 'none'];
/** Those of `admin.log_level`. */
const LEVELS = 'silly trace verbose debug info http notice warn error silent'.split(' ');
/** resource.Quantity of k8s.io/apimachinery, without signs. */
const QUANTITY = /^(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/u;
const LONGEST_DRAIN = 86_400;

/** With the settings where the pod says nothing; or all that is wrong. */
export function readParameters(
  annotations: Readonly<Record<string, unknown>>,
  settings: InjectorSettings,
): Parameters | readonly Fault[] {
  const faults: Fault[] = [];
  const read = (name: Name, expected: string, fits: (text: string) => boolean): string | undefined => {
    const found = annotations[ANNOTATIONS[name]];
    if (found === undefined) return undefined;
    if (typeof found === 'string' && fits(found)) return found;
    const path = `metadata.annotations[${ANNOTATIONS[name]}]`;
    faults.push({ path, expected, found: JSON.stringify(found), code: 'INVALID_CONFIG' });
    return undefined;
  };
  const list = (name: Name, expected: string, fits: (text: string) => boolean): string[] =>
    partsOf(read(name, expected, (text) => partsOf(text).every(fits)) ?? '');
  const isPorts = (text: string): boolean => parsePortRange(text) !== undefined;
  const isCidr = (text: string): boolean => parseCidr(text) !== undefined;
  const lists = (ports: Name, excludePorts: Name, excludeCidrs: Name): CaptureLists => ({
    ports: list(ports, PORTS, isPorts),
    exclude_ports: list(excludePorts, PORTS, isPorts),
    exclude_cidrs: list(excludeCidrs, 'networks, as in 10.0.0.0/8,fd00::/8', isCidr),
  });
  const quantity = (name: Name, example: string): string | undefined =>
    read(name, `a quantity, as in ${example}`, (text) => QUANTITY.test(text));
  const amounts = (cpu: Name, memory: Name): Record<string, string> => {
    const [ofCpu, ofMemory] = [quantity(cpu, '100m'), quantity(memory, '128Mi')];
    return { ...(ofCpu !== undefined && { cpu: ofCpu }), ...(ofMemory !== undefined && { memory: ofMemory }) };
  };
  const { capture, resources, logLevel, drainSeconds } = settings;
  const where = `metadata.annotations[${ANNOTATIONS.env}]`;
  const own = parseSidecarEnv(read('env', 'a list of variables', (text) => text !== '') ?? '[]', where);
  const isSeconds = (text: string): boolean => /^\d{1,5}$/u.test(text) && Number(text) <= LONGEST_DRAIN;
  const parameters: Parameters = {
    // One of these words, or nothing.
    capture: (read('capture', `one of ${MODES.join(', ')}`, (text) => MODES.includes(text)) ?? capture) as CaptureMode,
    inbound: lists('inboundPorts', 'inboundExcludePorts', 'inboundExcludeCidrs'),
    outbound: lists('outboundPorts', 'outboundExcludePorts', 'outboundExcludeCidrs'),
    resources: {
      requests: { ...resources.requests, ...amounts('cpu', 'memory') },
      limits: { ...resources.limits, ...amounts('cpuLimit', 'memoryLimit') },
    },
    logLevel: read('logLevel', `one of ${LEVELS.join(', ')}`, (text) => LEVELS.includes(text)) ?? logLevel,
    volumes: new Map(
      partsOf(read('volumes', VOLUMES, areVolumes) ?? '').map((part): [string, string] => {
        const [name = '', path = ''] = part.split('=');
        return [path, name];
      }),
    ),
    env: mergeItems('name', settings.env, own.env),
    drainSeconds: Number(read('drainSeconds', `seconds, from 0 to ${LONGEST_DRAIN}`, isSeconds) ?? drainSeconds),
  };
  faults.push(...(own.faults.length > 0 ? own.faults : otelFaults(parameters.env, where)), ...unknown(annotations));
  return faults.length > 0 ? faults : parameters;
}

function unknown(annotations: Readonly<Record<string, unknown>>): Fault[] {
  const known: readonly string[] = Object.values(ANNOTATIONS);
  return Object.keys(annotations)
    .filter((name) => READ.test(name) && !known.includes(name))
    .map((name) => ({
      path: 'metadata.annotations',
      expected: nearest(name, known) ?? `one of ${known.join(', ')}`,
      found: name,
      code: 'INVALID_CONFIG',
    }));
}

const PORTS = 'ports, as in 80,8000-8999,53/udp';
const VOLUMES = 'volumes of the pod with paths of their own, as in sockets=/run/daemon';
/** A volume's name (RFC 1123 label), and an absolute path without a colon (core/v1, VolumeMount). */
const VOLUME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?=(\/[^/,=:]+)+$/u;

function areVolumes(text: string): boolean {
  const paths = partsOf(text).map((part) => part.slice(part.indexOf('=') + 1));
  return (
    partsOf(text).every((part) => VOLUME.test(part) && !part.includes('/..')) && new Set(paths).size === paths.length
  );
}

function partsOf(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
