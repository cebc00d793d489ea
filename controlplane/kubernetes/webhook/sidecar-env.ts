/** The text that says what is in the environment of injected proxies: YAML or JSON, as the `env` of a container. */
import { parse } from 'yaml';
import type { Fault } from '../../../common/errors.ts';
import type { EnvVar } from '../api/env-var.ts';
import { envFaults } from '../api/proxy-env.ts';

/** The proxy may have rights that its pod's owner has not: nothing that would have it run other code. */
const NAMES = /^OTEL_/u;

/** With no variables where there are faults; `path` is where the text stands. */
export function parseSidecarEnv(
  text: string,
  path: string,
): { readonly env: readonly EnvVar[]; readonly faults: readonly Fault[] } {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    const [found = ''] = (error as Error).message.split('\n');
    return { env: [], faults: [{ path, expected: 'YAML', found }] };
  }
  const faults = envFaults(value, path, NAMES);
  return { env: faults.length > 0 ? [] : (value as readonly EnvVar[]), faults };
}
