/** What a GatewayClass or a Gateway asks of its infrastructure: the GatewayParameters that `parametersRef` names. */
import type { Gateway, GatewayClass, ObjectReference } from '../api/gateway-kinds.ts';
import type { GatewayParametersSpec } from '../api/gateway-parameters.ts';
import { GROUP } from '../api/names.ts';
import type { KubeReader } from '../api/reader.ts';
import type { Verdict } from '../api/verdict.ts';

export type ReadParameters =
  | { readonly parameters?: GatewayParametersSpec; readonly fault?: undefined }
  | { readonly parameters?: undefined; readonly fault: Verdict };

export function classParameters(reader: KubeReader, { spec }: GatewayClass): ReadParameters {
  const ref = spec?.parametersRef;
  return ref === undefined ? {} : readParameters(reader, ref.namespace ?? '', ref);
}

/** The Gateway's own, which count more than those of its class. */
export function gatewayParameters(reader: KubeReader, { metadata, spec }: Gateway): ReadParameters {
  const ref = spec?.infrastructure?.parametersRef;
  return ref === undefined ? {} : readParameters(reader, metadata.namespace ?? '', ref);
}

function readParameters(reader: KubeReader, namespace: string, ref: ObjectReference): ReadParameters {
  const { group = '', kind = '', name } = ref;
  const invalid = (message: string): ReadParameters => ({ fault: { reason: 'InvalidParameters', message } });
  if (group !== GROUP || kind !== 'GatewayParameters') {
    const found = group === '' ? kind : `${group}/${kind}`;
    return invalid(`parametersRef: expected ${GROUP}/GatewayParameters, found ${found} ${name}`);
  }
  const found = reader.get('GatewayParameters', namespace, name);
  if (found === undefined) return invalid(`parametersRef: GatewayParameters ${namespace}/${name} do not exist`);
  return { parameters: found.spec ?? {} };
}
