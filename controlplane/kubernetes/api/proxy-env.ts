/** The environment of proxies in pods: what people ask for, checked, beside what pods tell proxies of themselves. Pure. */
import { type Fault, FaultsError } from '../../../common/errors.ts';
import { readOtelSettings } from '../../../common/telemetry/otel-settings.ts';
import type { EnvVar } from './env-var.ts';
import { isJsonObject } from '../../../common/json.ts';

/** Of which the control plane knows a proxy, and resource attributes are made. */
const OWN: readonly EnvVar[] = [
  { name: 'POD_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
  { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
  { name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
];
const ATTRIBUTES = 'OTEL_RESOURCE_ATTRIBUTES';
/** As kube-apiserver has it where names need not be those of C. */
const NAME = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/u;

const SOURCES: Readonly<Record<string, readonly string[]>> = {
  secretKeyRef: ['name', 'key'],
  configMapKeyRef: ['name', 'key'],
  fieldRef: ['fieldPath'],
};

/**
 * The variables in the order in which one may name another. Resource attributes (OpenTelemetry's semantic conventions of Kubernetes)
 * say which pod it is; what `env` says of them, and in OTEL_SERVICE_NAME, counts more.
 *
 * @param attributes what is known beside namespace, pod and node: texts that need no escapes
 * @param env without faults
 */
export function proxyEnv(attributes: Readonly<Record<string, string>>, env: readonly EnvVar[]): EnvVar[] {
  const known = {
    ...attributes,
    'service.namespace': '$(POD_NAMESPACE)',
    'k8s.namespace.name': '$(POD_NAMESPACE)',
    'k8s.pod.name': '$(POD_NAME)',
    'k8s.node.name': '$(NODE_NAME)',
  };
  const text = Object.entries(known)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const given = env.find(({ name }) => name === ATTRIBUTES);
  const others = env.filter((each) => each !== given);
  // Of an attribute that is there twice the later one counts. What a Secret or ConfigMap says can't be added to.
  const all = given?.valueFrom ? given : { name: ATTRIBUTES, value: joined(text, given?.value) };
  return [...OWN, ...others, all];
}

function joined(text: string, more = ''): string {
  return more.trim() === '' ? text : `${text},${more}`;
}

/** What is no list of variables as a container has it; `path` is where it stands, `names` those that may be set. */
export function envFaults(value: unknown, path: string, names: RegExp = NAME): Fault[] {
  if (!Array.isArray(value)) return [fault(path, "a list of variables, as a container's env", value)];
  const faults = value.flatMap((each, index) => variableFaults(each, `${path}[${index}]`, names));
  if (faults.length > 0) return faults;
  const all = value as readonly EnvVar[];
  return all.flatMap(({ name }, index) => {
    const isRepeated = all.findIndex((other) => other.name === name) < index;
    return isRepeated ? [fault(`${path}[${index}].name`, 'each name once', name)] : [];
  });
}

function variableFaults(value: unknown, path: string, names: RegExp): Fault[] {
  if (!isJsonObject(value)) return [fault(path, 'a variable with a name', value)];
  const { name, value: text, valueFrom, ...others } = value;
  const faults: Fault[] = Object.keys(others).map((key) => fault(path, 'name, value or valueFrom', key));
  if (typeof name !== 'string' || !NAME.test(name)) faults.push(fault(`${path}.name`, "a variable's name", name));
  else if (!names.test(name)) faults.push(fault(`${path}.name`, `a name as ${names.source}`, name));
  else if (OWN.some((own) => own.name === name)) {
    faults.push(fault(`${path}.name`, `a name apart from ${OWN.map((own) => own.name).join(', ')}`, name));
  }
  if (text !== undefined && typeof text !== 'string') faults.push(fault(`${path}.value`, 'text, in quotes', text));
  if (valueFrom === undefined) return faults;
  if (text !== undefined) faults.push(fault(path, 'value or valueFrom', 'both'));
  const [kind = '', more] = isJsonObject(valueFrom) ? Object.keys(valueFrom) : [];
  const source =
    isJsonObject(valueFrom) && Object.hasOwn(SOURCES, kind) && more === undefined ? valueFrom[kind] : undefined;
  const fields = SOURCES[kind] ?? [];
  if (!isJsonObject(source) || !fields.every((field) => typeof source[field] === 'string' && source[field] !== '')) {
    const expected = 'secretKeyRef or configMapKeyRef with name and key, or fieldRef with fieldPath';
    faults.push(fault(`${path}.valueFrom`, expected, valueFrom));
  }
  return faults;
}

/**
 * What the proxy would refuse to start with: of values that stand there. What a Secret says is known to the proxy alone, and so it is
 * with files.
 *
 * @param env without `envFaults`
 */
export function otelFaults(env: readonly EnvVar[], path: string): Fault[] {
  const known = env.flatMap(({ name, value = '', valueFrom }): [string, string][] => {
    if (/_(?:CERTIFICATE|CLIENT_KEY)$/u.test(name)) return [];
    if (!valueFrom && !value.includes('$(')) return [[name, value]];
    // Whatever it is, something is exported, by what else is said.
    return name.endsWith('_ENDPOINT') ? [[name, 'http://endpoint']] : [];
  });
  const attributes = env.find(({ name }) => name === ATTRIBUTES)?.value ?? '';
  const faults = isAttributes(attributes) ? [] : [fault(`${path}[${ATTRIBUTES}]`, 'key=value,…', attributes)];
  try {
    readOtelSettings(Object.fromEntries(known));
  } catch (error) {
    if (!(error instanceof FaultsError)) throw error;
    faults.push(...error.faults.map((each) => ({ ...each, path: `${path}[${each.path}]` })));
  }
  return faults;
}

/** Of what is not so the SDK takes nothing, and says nothing. */
function isAttributes(text: string): boolean {
  return text.split(',').every((part) => part.trim() === '' || /^[^=]*[^\s=][^=]*=[^=]*$/u.test(part));
}

function fault(path: string, expected: string, found: unknown): Fault {
  const text = typeof found === 'string' ? found : found === undefined ? 'nothing' : JSON.stringify(found);
  return { path, expected, found: text.slice(0, 100) };
}
