/** Secrets of the control plane, and the references to them in TLS settings: `secret:NAME`. */
import type { Secret } from '../gen/l7mp/config/v1/types.ts';

const PREFIX = 'secret:';

/** Where TLS contexts take secrets from. */
export interface SecretSource {
  get(name: string): Secret | undefined;
  /** Calls after each change of any secret; gives the function that ends it. */
  watch(changed: () => void): () => void;
}

/** The name in `secret:NAME`; undefined for files and PEM text. */
export function secretName(value: string | undefined): string | undefined {
  return value?.startsWith(PREFIX) ? value.slice(PREFIX.length) : undefined;
}

/** The secrets that a listener's or cluster's spec names, transports included. */
export function secretsOf(spec: object): string[] {
  const names = new Set<string>();
  const visit = (value: unknown, inTls: boolean): void => {
    if (typeof value === 'string') {
      const name = inTls ? secretName(value) : undefined;
      if (name !== undefined) names.add(name);
    } else if (Array.isArray(value)) {
      for (const item of value) visit(item, inTls);
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) {
        // In TLS settings only these are references: a server name may look like one.
        if (!inTls) visit(item, key === 'tls');
        else if (REFERENCES.has(key)) visit(item, true);
      }
    }
  };
  visit(spec, false);
  return [...names];
}

const REFERENCES: ReadonlySet<string> = new Set(['cert', 'key', 'ca', 'certificates']);

/** What is shown in the place of keys and tokens. */
export const HIDDEN = '<PRIVATE>';
