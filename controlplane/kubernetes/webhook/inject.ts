/** Puts a proxy beside an application: a pod, and what is to change of it. Pure. */
import type { Fault } from '../../../common/errors.ts';
import { jsonObject } from '../../../common/json.ts';
import { CAPTURED_LABEL } from '../api/names.ts';
import type { Plain } from '../api/plain.ts';
import type { AdmissionRequest, PatchOperation, Verdict } from './admission.ts';
import { ANNOTATIONS, type Parameters, readParameters } from './parameters.ts';
import type { InjectorSettings } from './settings.ts';
import { CONTAINER, OWN_PATHS, proxyConfig, sidecarContainer, sidecarVolumes } from './sidecar.ts';

/** The label of pods with which they ask for a proxy, or refuse one. Namespaces ask for all of theirs by it. */
export const INJECT_LABEL = 'l7mp.io/inject';
const REFUSALS: readonly unknown[] = ['disabled', 'false'];
/** The label of pods that have one. */
export const SIDECAR_LABEL = 'l7mp.io/proxy';

/**
 * The API server asks for pods only whose namespace or label wants a proxy: so each pod gets one that does not refuse it. A pod that
 * has one is left as it is: what is asked again, as others have changed the pod meanwhile, changes nothing.
 */
export function injectSidecar({ kind, operation, object }: AdmissionRequest, settings: InjectorSettings): Verdict {
  const pod = jsonObject(object);
  const [metadata, spec] = [jsonObject(pod['metadata']), jsonObject(pod['spec'])];
  const [labels, annotations] = [jsonObject(metadata['labels']), jsonObject(metadata['annotations'])];
  if (kind !== 'Pod' || operation !== 'CREATE' || REFUSALS.includes(labels[INJECT_LABEL])) return UNCHANGED;
  if (containersOf(spec).includes(CONTAINER)) return UNCHANGED;
  const reason = unfit(spec);
  if (reason !== undefined) return skipped(metadata, annotations, reason);
  const parameters = readParameters(annotations, settings);
  const isRead = 'capture' in parameters;
  const faults = [...(isRead ? volumeFaults(spec, parameters) : parameters), ...clashes(spec, settings)];
  if (!isRead || faults.length > 0) return { faults };
  const { terminationGracePeriodSeconds: grace } = spec;
  const graceSeconds = typeof grace === 'number' ? grace : undefined;
  const container = sidecarContainer(parameters, settings, serviceOf(metadata), graceSeconds);
  return {
    patch: [
      ...entries(metadata, '/metadata', 'labels', {
        [SIDECAR_LABEL]: 'sidecar',
        ...(parameters.capture !== 'none' && { [CAPTURED_LABEL]: parameters.capture }),
      }),
      ...entries(metadata, '/metadata', 'annotations', {
        [ANNOTATIONS.status]: 'injected',
        [ANNOTATIONS.config]: proxyConfig(parameters, settings),
        ...scrapeAnnotations(annotations, settings),
      }),
      ...items(spec, 'initContainers', [container], 'first'),
      ...items(spec, 'volumes', sidecarVolumes(settings), 'last'),
    ],
  };
}

/** By which Prometheus finds what to scrape: a pod that says so of its application, or that there is nothing, is left to that. */
function scrapeAnnotations(annotations: Plain, { pagesPort }: InjectorSettings): Plain {
  if (Object.keys(annotations).some((name) => name.startsWith('prometheus.io/'))) return {};
  return { 'prometheus.io/scrape': 'true', 'prometheus.io/port': String(pagesPort) };
}

/**
 * The application's name, as OpenTelemetry's operator finds it: by the usual labels, else by the workload that made the pod. Labels and
 * names need no escapes in a list of attributes.
 */
function serviceOf({ labels, ownerReferences }: Plain): string | undefined {
  const { 'app.kubernetes.io/name': name, app, 'pod-template-hash': hash } = jsonObject(labels);
  const owner = listOf(ownerReferences).find(({ controller }) => controller === true);
  const workload = typeof owner?.['name'] === 'string' ? owner['name'] : undefined;
  // A Deployment's ReplicaSet is called after it, and what its template comes to.
  const isMade = typeof hash === 'string' && workload?.endsWith(`-${hash}`) === true;
  const found = [name, app, isMade ? workload.slice(0, -hash.length - 1) : workload];
  return found.find((each): each is string => typeof each === 'string' && each !== '');
}

const UNCHANGED: Verdict = { patch: [] };

/** Why a pod can have none. */
function unfit({ hostNetwork, os }: Plain): string | undefined {
  if (hostNetwork === true) return "the pod is in its node's network";
  const { name } = jsonObject(os);
  if (typeof name === 'string' && name !== 'linux') return `the pod runs on ${name}`;
  return undefined;
}

function skipped(metadata: Plain, annotations: Plain, reason: string): Verdict {
  const value = `skipped: ${reason}`;
  if (annotations[ANNOTATIONS.status] === value) return UNCHANGED;
  return {
    patch: entries(metadata, '/metadata', 'annotations', { [ANNOTATIONS.status]: value }),
    warnings: [`no l7mp proxy is injected: ${reason}`],
  };
}

function containersOf({ initContainers, containers }: Plain): unknown[] {
  return [...listOf(initContainers), ...listOf(containers)].map(({ name }) => name);
}

/** Names and ports that the proxy needs, and the pod has given away. */
function clashes(spec: Plain, settings: InjectorSettings): Fault[] {
  const ours = sidecarVolumes(settings).map(({ name }) => name);
  const faults: Fault[] = [];
  listOf(spec['volumes']).forEach(({ name }, index) => {
    if (typeof name !== 'string' || !ours.includes(name)) return;
    const expected = 'a name that the injected proxy does not have';
    faults.push({ path: `spec.volumes[${index}].name`, expected, found: name, code: 'INVALID_CONFIG' });
  });
  for (const list of ['initContainers', 'containers']) {
    listOf(spec[list]).forEach(({ ports }, container) => {
      listOf(ports).forEach(({ containerPort }, index) => {
        if (containerPort !== settings.pagesPort) return;
        const path = `spec.${list}[${container}].ports[${index}].containerPort`;
        const expected = 'a port that the injected proxy does not have';
        faults.push({ path, expected, found: String(containerPort), code: 'INVALID_CONFIG' });
      });
    });
  }
  return faults;
}

/** Volumes for the proxy that the pod does not have, or that would hide the proxy's own. */
function volumeFaults(spec: Plain, { volumes }: Parameters): Fault[] {
  const names: readonly unknown[] = listOf(spec['volumes']).map(({ name }) => name);
  const path = `metadata.annotations[${ANNOTATIONS.volumes}]`;
  return Array.from(volumes).flatMap(([where, name]): Fault[] => {
    if (!names.includes(name)) {
      const expected = names.length === 0 ? 'none, as the pod has no volumes' : `one of ${names.join(', ')}`;
      return [{ path, expected, found: name, code: 'INVALID_CONFIG' }];
    }
    if (!OWN_PATHS.some((own) => `${own}/`.startsWith(`${where}/`) || `${where}/`.startsWith(`${own}/`))) return [];
    return [{ path, expected: `a path apart from ${OWN_PATHS.join(', ')}`, found: where, code: 'INVALID_CONFIG' }];
  });
}

/** Adds to a map, which may not be there. */
function entries(owner: Plain, path: string, field: string, values: Plain): PatchOperation[] {
  const adds = Object.entries(values).map(([key, value]): PatchOperation => ({
    op: 'add',
    path: `${path}/${field}/${escapePointer(key)}`,
    value,
  }));
  return isObject(owner[field]) ? adds : [{ op: 'add', path: `${path}/${field}`, value: values }];
}

/** Adds to a list, which may not be there. */
function items(spec: Plain, field: string, values: readonly object[], where: 'first' | 'last'): PatchOperation[] {
  const path = `/spec/${field}`;
  if (!isObject(spec[field])) return [{ op: 'add', path, value: values }];
  return values.map((value, index) => ({ op: 'add', path: `${path}/${where === 'first' ? index : '-'}`, value }));
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

function listOf(value: unknown): Plain[] {
  return Array.isArray(value) ? value.map(jsonObject) : [];
}

/** RFC 6901, section 3. */
function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
