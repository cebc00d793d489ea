/** What a GatewayClass or a Gateway asks of its infrastructure: the GatewayParameters that `parametersRef` names. */
import type { Gateway, GatewayClass, ObjectReference } from '../api/gateway-kinds.ts';
import type { GatewayParametersSpec } from '../api/gateway-parameters.ts';
import { GROUP } from '../api/names.ts';
import type { KubeReader } from '../api/reader.ts';
import { CORE_GROUP } from './group.ts';
import type { Verdict } from '../api/verdict.ts';

/** Those of the class come before those of the Gateway: the later ones count more. */
export type ReadParameters =
  { readonly parameters: readonly GatewayParametersSpec[]; readonly fault?: undefined } | { readonly fault: Verdict };

const KIND = 'GatewayParameters';

export function classParameters(reader: KubeReader, { spec }: GatewayClass): ReadParameters {
  const ref = spec?.parametersRef;
  return ref === undefined ? { parameters: [] } : readParameters(reader, ref.namespace ?? '', ref);
}

/** The Gateway's own. */
export function gatewayParameters(reader: KubeReader, { metadata, spec }: Gateway): ReadParameters {
  const ref = spec?.infrastructure?.parametersRef;
  return ref === undefined ? { parameters: [] } : readParameters(reader, metadata.namespace ?? '', ref);
}

function readParameters(reader: KubeReader, namespace: string, ref: ObjectReference): ReadParameters {
  const { group = CORE_GROUP, kind = '', name } = ref;
  const invalid = (message: string): ReadParameters => ({ fault: { reason: 'InvalidParameters', message } });
  if (group !== GROUP || kind !== KIND) {
    const found = `${group === CORE_GROUP ? '' : `${group}/`}${kind} ${name}`;
    return invalid(`parametersRef: expected ${GROUP}/${KIND}, found ${found}`);
  }
  const object = reader.get(KIND, namespace, name);
  if (object === undefined) return invalid(`parametersRef: ${KIND} ${namespace}/${name} does not exist`);
  return { parameters: [object.spec ?? {}] };
}
