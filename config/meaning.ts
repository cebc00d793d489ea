/** What no schema says of single objects: which fields want or exclude each other. */
import type { FieldSchema } from '../gen/schema-types.ts';
import type { Plain } from '../common/address.ts';
import type { ConfigObjects } from './snapshot.ts';
import { checkCircles } from './circles.ts';
import type { Decoder } from './decoder.ts';
import { describe, isPlain, oneOf, readScalar } from './scalars.ts';
import { checkAction, checkPersistence, checkSubjectAltNames, checkTraffic } from './traffic.ts';
import { listOf, missing } from './wanted.ts';

/** Adds its faults to the decoder's. `existing` objects are those beside what was decoded. */
export function checkMeaning(decoder: Decoder, existing?: ConfigObjects): void {
  const { Rule: rules, Route: routes, Cluster: clusters, Listener: listeners } = decoder.objects;
  for (const { value, path } of rules.values()) checkRule(decoder, value, path);
  for (const { value, path } of routes.values()) checkRoute(decoder, value, path);
  for (const { value, path } of clusters.values()) checkCluster(decoder, value, path);
  for (const { value, path } of listeners.values()) checkListener(decoder, value, path);
  checkCircles(decoder, existing);
}

function checkRule(decoder: Decoder, { match, action }: Plain, path: string): void {
  if (isPlain(match)) checkMatch(decoder, match, `${path}.match`);
  if (isPlain(action)) checkAction(decoder, action, `${path}.action`);
}

const LOGICAL: ReadonlySet<string> = new Set(['and', 'or', 'not']);

/** Which fields a predicate wants, by its operator. */
export function checkMatch(decoder: Decoder, match: Plain, path: string): void {
  const { op, value } = match;
  const parts = listOf(match['apply']);
  if (match['match'] === '*') {
    if (op !== undefined) decoder.tell(path, '"*", or an object with op', 'both');
    return;
  }
  if (typeof op !== 'string') {
    missing(decoder, `${path}.op`, 'the test to make, as in {op: starts, path: /HTTP/url/path, value: /api}');
    return;
  }
  if (LOGICAL.has(op)) {
    if (parts.length === 0) missing(decoder, `${path}.apply`, `the predicates that "${op}" joins`);
    parts.forEach((part, index) => checkMatch(decoder, part, `${path}.apply[${index}]`));
    return;
  }
  if (parts.length > 0) decoder.tell(`${path}.apply`, 'nothing: only and, or and not join others', describe(parts));
  if (match['path'] === undefined) missing(decoder, `${path}.path`, 'a JSON pointer, as in /IP/src_addr');
  const wanted = expectedValue(op, value);
  if (wanted !== undefined) decoder.fault(`${path}.value`, wanted, value);
}

const TYPES =
  'number string boolean object array null undefined date date-time time lang lang-range iri absolute-iri'.split(' ');

/** What the operator wants of its value, where it isn't that. */
function expectedValue(op: string, value: unknown): string | undefined {
  switch (op) {
    case 'defined':
    case 'undefined':
      return undefined;
    case 'contains':
    case 'starts':
    case 'ends':
    case 'prefix':
      return typeof value === 'string' ? undefined : 'a string';
    case 'matches':
      return readScalar({ type: 'string', format: 'regex' }, typeof value === 'string' ? value : undefined).expected;
    case 'in':
      return Array.isArray(value) ? undefined : 'a list';
    case 'less':
    case 'more':
      return typeof value === 'number' ? undefined : 'a number';
    case 'type':
      return typeof value === 'string' && TYPES.includes(value) ? undefined : oneOf(TYPES, value);
    default:
      return value === undefined ? 'a value' : undefined;
  }
}

function checkRoute(decoder: Decoder, route: Plain, path: string): void {
  const { destination, destinations } = route;
  checkTraffic(decoder, route, path);
  const several = listOf(destinations);
  if (destination === undefined && several.length === 0) {
    if (decoder.isWrong(`${path}.cluster`) || decoder.isWrong(`${path}.destinations`)) return;
    missing(decoder, `${path}.destination`, 'the name of a cluster, or a cluster itself, or several as destinations');
  } else if (destination !== undefined && several.length > 0) {
    decoder.tell(`${path}.destinations`, 'either destination or destinations', 'both');
  } else if (several.length > 0 && several.every(({ weight }) => weight === 0)) {
    decoder.tell(`${path}.destinations`, 'a weight above 0', 'none');
  }
}

function checkCluster(decoder: Decoder, cluster: Plain, path: string): void {
  const { spec, endpoints, discovery, loadbalancer, health_check: check, persistence } = cluster;
  if (discovery !== undefined && listOf(endpoints).length > 0) {
    decoder.tell(`${path}.endpoints`, 'none, as discovery takes them from the control plane', 'some');
  }
  if (cluster['original_destination'] === true) checkOriginal(decoder, cluster, path);
  if (isPlain(spec)) {
    checkEndpoints(decoder, spec, listOf(endpoints), path);
    checkSubjectAltNames(decoder, spec, `${path}.spec`);
    listOf(spec['header']).forEach((part, index) => {
      if (part['path'] !== undefined || part['set'] !== undefined) return;
      missing(decoder, `${path}.spec.header[${index}]`, 'a path to copy from, or a constant to set', 'neither');
    });
  }
  if (isPlain(loadbalancer) && typeof loadbalancer['key'] === 'string' && loadbalancer['key'].startsWith('/')) {
    const { expected } = readScalar({ type: 'string', format: 'json-pointer' }, loadbalancer['key']);
    if (expected !== undefined) decoder.fault(`${path}.loadbalancer.key`, expected, loadbalancer['key']);
  }
  if (isPlain(persistence)) checkPersistence(decoder, persistence, `${path}.persistence`);
  if (isPlain(check)) {
    if (isPlain(spec)) checkProbed(decoder, spec, `${path}.health_check`);
    for (const field of ['send', 'expect']) {
      const text = check[field];
      if (typeof text === 'string' && text.startsWith('0x') && !/^0x([\da-f]{2})*$/iu.test(text)) {
        decoder.fault(`${path}.health_check.${field}`, 'text, or bytes in hexadecimal after 0x', text);
      }
    }
  }
}

/** What is captured is led to a listener with any address of the host, whoever it was for. */
function checkListener(decoder: Decoder, { spec, options: own }: Plain, path: string): void {
  if (isPlain(own)) checkMetricLabel(decoder, own, `${path}.options`);
  if (!isPlain(spec)) return;
  const { captured, captured_destinations: given, address, connect, options } = transportOf(spec);
  const destinations: readonly unknown[] = Array.isArray(given) ? given : [];
  if (captured === undefined || captured === '') {
    if (destinations.length > 0)
      decoder.tell(`${path}.spec.captured`, 'outbound or inbound, as there are destinations', 'nothing');
    return;
  }
  if (address === '0.0.0.0' && destinations.some((each) => String(each).startsWith('['))) {
    decoder.fault(`${path}.spec.address`, '::, as there are destinations of IPv6', address);
  }
  if (typeof address === 'string' && address !== '0.0.0.0' && address !== '::') {
    decoder.fault(`${path}.spec.address`, '0.0.0.0 or ::, as with captured', address);
  }
  if (isPlain(connect)) decoder.tell(`${path}.spec.connect`, 'nothing beside captured', 'a peer');
  if (isPlain(options) && options['mode'] === 'singleton') {
    decoder.tell(`${path}.spec.options.mode`, 'server, as with captured', 'singleton');
  }
}

/** Labels that the histogram has already: with one of them twice, Prometheus can't read the page. */
const LABELS_OF_DURATIONS: ReadonlySet<unknown> = new Set(['listener', 'le']);

function checkMetricLabel(decoder: Decoder, { telemetry }: Plain, path: string): void {
  const label = isPlain(telemetry) ? telemetry['metric_label'] : undefined;
  if (!isPlain(label) || !LABELS_OF_DURATIONS.has(label['name'])) return;
  decoder.fault(`${path}.telemetry.metric_label.name`, 'a label that the histogram has not itself', label['name']);
}

/** Where sessions go is their clients' word: nobody knows who that is before. */
function checkOriginal(decoder: Decoder, cluster: Plain, path: string): void {
  const { spec, endpoints } = cluster;
  const beside = 'none, as original_destination says where sessions go';
  if (listOf(endpoints).length > 0) decoder.tell(`${path}.endpoints`, beside, 'some');
  for (const field of ['discovery', 'health_check', 'outlier_detection']) {
    if (cluster[field] !== undefined) decoder.tell(`${path}.${field}`, beside, 'one');
  }
  if (!isPlain(spec)) return;
  const { transport, isBuiltIn, fields } = clusterOf(decoder, spec);
  if (isBuiltIn && !fields['port']) {
    decoder.tell(`${path}.original_destination`, 'a protocol with ports', String(transport['protocol']));
  }
}

/** A health check asks an address or a path. Plugins know of endpoints what their schema does not say. */
function checkProbed(decoder: Decoder, spec: Plain, path: string): void {
  const { transport, isBuiltIn, fields } = clusterOf(decoder, spec);
  if (isBuiltIn && !fields['port'] && !fields['filename']) {
    decoder.tell(path, `none, as ${String(transport['protocol'])} has no address to ask`, 'one');
  }
}

/** What a cluster rides on, and what the schema says of that. */
interface Transport {
  readonly transport: Plain;
  readonly isBuiltIn: boolean;
  readonly fields: Readonly<Record<string, FieldSchema>>;
}

function clusterOf({ schema }: Decoder, spec: Plain): Transport {
  const transport = transportOf(spec);
  const variant = schema['ClusterSpec']?.variants?.[String(transport['protocol'])];
  return { transport, isBuiltIn: variant?.field !== undefined, fields: schema[variant?.message ?? '']?.fields ?? {} };
}

/** Where the protocol has ports, an endpoint needs an address and a port; where it has paths, a path. */
function checkEndpoints(decoder: Decoder, spec: Plain, endpoints: readonly Plain[], path: string): void {
  const { transport, fields } = clusterOf(decoder, spec);
  endpoints.forEach(({ spec: place }, index) => {
    if (!isPlain(place)) return;
    const { address, port } = place;
    const at = `${path}.endpoints[${index}].spec`;
    if (fields['port']) {
      const { expected } = readScalar({ type: 'string', format: 'host' }, address);
      if (expected !== undefined && !decoder.isWrong(`${at}.address`))
        decoder.fault(`${at}.address`, expected, address);
      // A port that is wrong has been told of already: it is absent, not 0.
      if (port === 0 && transport['port'] === 0) {
        decoder.tell(`${at}.port`, "a port, here or in the cluster's spec", 'nothing');
      }
    } else if (fields['filename'] && address === undefined && transport['filename'] === undefined) {
      missing(decoder, `${at}.address`, "a path, here or as filename in the cluster's spec");
    }
  });
}

/** What a spec rides on in the end. */
function transportOf(spec: Plain): Plain {
  const { transport_spec: transport } = spec;
  return isPlain(transport) ? transportOf(transport) : spec;
}
