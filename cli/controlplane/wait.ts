/** `l7mp wait`: until proxies are there. */
import type { ObjectKey, WaitAppliedResponse } from '../../gen/messages.ts';
import { TimeoutError } from '../exit.ts';
import { type ControlPlane, type ServerOptions, withControlPlane } from './client.ts';
import { typeUrlFor } from './explain.ts';
import { formatKey, parseKey } from './kinds.ts';
import { listProxies } from './status.ts';

export interface WaitOptions extends ServerOptions {
  readonly acked?: true;
  readonly minProxies: number;
  /** In ms. */
  readonly timeout: number;
}

export async function wait(words: readonly string[], options: WaitOptions): Promise<void> {
  const { acked, minProxies, timeout } = options;
  const keys = words.map(parseKey);
  await withControlPlane(options, async (controlPlane) => {
    const request = { keys, condition: acked ? 'acked' : 'serving', min_proxies: minProxies };
    const last = await waitFor(controlPlane, request, timeout);
    if (options.json) console.log(JSON.stringify({ selected: last.selected, reached: last.reached }));
  });
}

/** `WaitAppliedRequest`, of which most may be left out. */
interface WaitRequest {
  readonly keys: readonly (ObjectKey | undefined)[];
  readonly condition?: string;
  readonly min_proxies?: number;
  readonly revision?: number;
}

/**
 * Until objects are where they should be; says on stderr how far it is.
 *
 * @throws TimeoutError that names what is missing, and why
 */
export async function waitFor(
  controlPlane: ControlPlane,
  request: WaitRequest,
  timeout: number,
): Promise<WaitAppliedResponse> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), timeout);
  let last: WaitAppliedResponse | undefined;
  let shown = '';
  try {
    for await (const answer of controlPlane.stream<WaitAppliedResponse>('WaitApplied', request, controller.signal)) {
      last = answer;
      const progress = `${answer.reached} of ${answer.selected}`;
      // Before the change has reached anybody there is nothing to count.
      if (progress !== shown && answer.selected > 0) console.error(progress);
      else if (answer.done && answer.selected === 0) console.error('no proxy that it is for is connected');
      shown = progress;
      if (answer.done) return answer;
    }
  } finally {
    clearTimeout(timer);
  }
  const waiting = last === undefined ? [] : await waitingIn(controlPlane, last.pending);
  throw new TimeoutError([describe(last, timeout, request.min_proxies), ...waiting].join('\n'));
}

/** So many are told. */
const MOST = 20;

/** What objects wait for in proxies. */
async function waitingIn(controlPlane: ControlPlane, pending: WaitAppliedResponse['pending']): Promise<string[]> {
  const wanted = new Map(pending.map(({ key }) => [`${typeUrlFor(key)} ${key?.name ?? ''}`, key]));
  if (wanted.size === 0) return [];
  const lines = (await listProxies(controlPlane)).flatMap(({ id, faults }) =>
    faults.flatMap(({ type_url, name, kind, message }) => {
      const key = kind === 'waiting' ? wanted.get(`${type_url} ${name}`) : undefined;
      return key === undefined ? [] : [`  ${id}: ${formatKey(key)} ${message}`];
    }),
  );
  return lines.slice(0, MOST);
}

function describe(last: WaitAppliedResponse | undefined, timeout: number, minProxies = 0): string {
  const seconds = `${timeout / 1000} s`;
  if (last === undefined) return `expected an answer within ${seconds}, found none`;
  const lines = last.pending.flatMap(({ key, status }) => {
    const failed = status?.failed.map(({ proxy, message }) => `  ${proxy}: ${message}`) ?? [];
    return [`${formatKey(key)}: ${status?.serving ?? 0} of ${status?.selected ?? 0}`, ...failed];
  });
  const behind = last.behind.map(
    (id) => `the control plane ${id} has not said how far its proxies are: one that is gone counts for 30 s`,
  );
  const wanted = minProxies === 0 ? '' : ` of at least ${minProxies} proxies`;
  return [
    `expected all${wanted} within ${seconds}, found ${last.reached} of ${last.selected}`,
    ...lines,
    ...behind,
  ].join('\n');
}
