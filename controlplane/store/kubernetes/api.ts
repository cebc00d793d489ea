/** What the store needs of Kubernetes' API; the runtime client has it, and controlplane/main.ts hands it in. */
import { StoreError } from '../../core/store.ts';

export interface ResourceKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

export interface StoredObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: unknown;
}

interface CallOptions {
  readonly signal?: AbortSignal;
  /** For each try, in ms. */
  readonly timeoutMs?: number;
}

interface ObjectName {
  readonly namespace: string;
  readonly name: string;
}

/** Errors have the HTTP status as their `code`. */
export interface StoreClient {
  get(type: ResourceKind, name: ObjectName, options?: CallOptions): Promise<StoredObject>;
  list(
    type: ResourceKind,
    options: CallOptions & {
      readonly namespace: string;
      readonly labelSelector?: string;
      readonly limit?: number;
      readonly continue?: string;
      readonly metadataOnly?: boolean;
    },
  ): Promise<{ readonly items: readonly StoredObject[]; readonly continue: string }>;
  create(type: ResourceKind, object: StoredObject, options?: CallOptions): Promise<StoredObject>;
  /** Server-side apply; `once`: not made again where its outcome is not known. With a `resourceVersion`, only where the object still is of that. */
  apply(
    type: ResourceKind,
    object: StoredObject,
    options?: CallOptions & { readonly force?: boolean; readonly once?: boolean },
  ): Promise<StoredObject>;
  delete(type: ResourceKind, name: ObjectName, options?: CallOptions): Promise<void>;
  watch(
    type: ResourceKind,
    options: {
      readonly namespace: string;
      readonly fieldSelector?: string;
      readonly labelSelector?: string;
      readonly resourceVersion: string;
      readonly timeoutSeconds: number;
      readonly silenceMs: () => number;
      readonly signal: AbortSignal;
    },
  ): AsyncIterable<readonly { readonly type: string; readonly object: StoredObject }[]>;
  close(): void;
}

export interface KubernetesAccess {
  readonly client: StoreClient;
  /** Leads, from time to time, while it holds the Lease of a name; until it is closed. */
  readonly lease: (namespace: string, name: string, onChange: (leads: boolean) => void) => { close(): Promise<void> };
}

const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code;

export const isMissing = (error: unknown): boolean => codeOf(error) === 404;
export const isConflict = (error: unknown): boolean => codeOf(error) === 409;

/** Whether another try may go better: no answer, or one of a server that is busy or starts. */
export function isPassing(error: unknown): boolean {
  const code = codeOf(error);
  return (
    typeof code === 'number' && (code === 0 || code === 429 || code >= 500) && faultOf(error).code === 'UNAVAILABLE'
  );
}

/** In the store's words. */
export function faultOf(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const { message } = error as Error;
  // etcd's own words, which the API server passes on; a ResourceQuota's are the last.
  if (/database space exceeded|exceeded quota/u.test(message)) return new StoreError('FULL', message, error);
  if (codeOf(error) === 413 || /request is too large|message larger than max/u.test(message)) {
    return new StoreError('TOO_LARGE', message, error);
  }
  return new StoreError('UNAVAILABLE', message, error);
}
