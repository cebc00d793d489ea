/** Admission reviews (admission.k8s.io/v1): what the API server asks, and what it is answered. Pure. */
import { type Fault, formatFault, ProxyError } from '../../../common/errors.ts';
import { jsonObject } from '../../../common/json.ts';
import type { Plain } from '../api/plain.ts';

export interface AdmissionRequest {
  readonly uid: string;
  readonly operation: string;
  /** The kind, as in `Pod`. */
  readonly kind: string;
  readonly namespace: string;
  /** As it is to be; absent where it is deleted. */
  readonly object: unknown;
}

/** One step of a JSON patch (RFC 6902). */
export interface PatchOperation {
  readonly op: 'add' | 'replace' | 'remove';
  readonly path: string;
  readonly value?: unknown;
}

/** What becomes of an object. */
export type Verdict =
  | { readonly faults?: undefined; readonly patch: readonly PatchOperation[]; readonly warnings?: readonly string[] }
  | { readonly faults: readonly Fault[] };

/** @throws ProxyError `PROTOCOL_ERROR` where it is no review */
export function parseReview(text: string): AdmissionRequest {
  let review: Plain;
  try {
    review = jsonObject(JSON.parse(text));
  } catch (error) {
    throw new ProxyError('PROTOCOL_ERROR', `expected an AdmissionReview as JSON: ${ProxyError.from(error).message}`);
  }
  const { apiVersion, kind }: Readonly<Record<string, unknown>> = review;
  if (apiVersion !== 'admission.k8s.io/v1' || kind !== 'AdmissionReview') {
    const found = `${String(apiVersion)} ${String(kind)}`;
    throw new ProxyError('PROTOCOL_ERROR', `expected an AdmissionReview of admission.k8s.io/v1, found ${found}`);
  }
  const request = jsonObject(review['request']);
  const { uid, operation, namespace, object } = request;
  if (typeof uid !== 'string' || uid === '' || typeof operation !== 'string') {
    throw new ProxyError('PROTOCOL_ERROR', 'expected a request with uid and operation, found none');
  }
  const { kind: name } = jsonObject(request['kind']);
  return {
    uid,
    operation,
    kind: typeof name === 'string' ? name : '',
    namespace: typeof namespace === 'string' ? namespace : '',
    object,
  };
}

/** The review that answers. */
export function answerReview({ uid }: AdmissionRequest, verdict: Verdict): object {
  return { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid, ...responseOf(verdict) } };
}

function responseOf(verdict: Verdict): object {
  if (verdict.faults) {
    const message = verdict.faults.map(formatFault).join('\n');
    return { allowed: false, status: { status: 'Failure', reason: 'Invalid', code: 422, message } };
  }
  const { patch, warnings = [] } = verdict;
  return {
    allowed: true,
    ...(patch.length > 0 && {
      patchType: 'JSONPatch',
      patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
    }),
    ...(warnings.length > 0 && { warnings }),
  };
}
