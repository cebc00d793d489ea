/** `l7mp rollout`: changes that go to some proxies first. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlRolloutResponse, ListRolloutsResponse, Rollout } from '../../gen/messages.ts';
import { ApiError, TimeoutError, UsageError } from '../exit.ts';
import { formatTable } from '../table.ts';
import { type ControlPlane, type ServerOptions, withControlPlane } from './client.ts';
import { toJson } from '../../controlplane/model/object-text.ts';
import { ageOf } from './format.ts';
import { formatKey } from './kinds.ts';
import { listPages } from './pages.ts';

type Action = 'list' | 'status' | 'next' | 'pause' | 'resume' | 'promote' | 'abort';

const UNDER_WAY = ['progressing', 'paused'];

export async function rollout(action: Action, id: string | undefined, options: ServerOptions): Promise<void> {
  if (action === 'list' && id !== undefined) throw new UsageError(`expected no name behind list, found ${id}`);
  await withControlPlane(options, async (controlPlane) => {
    const rollouts = await listRollouts(controlPlane);
    if (action === 'list') {
      if (options.json) console.log(JSON.stringify(toJson(rollouts), null, 2));
      else
        process.stdout.write(
          formatTable(['ROLLOUT', 'STATE', 'AT', 'PROXIES', 'FAILED', 'AGE', 'WHO'], rollouts.map(rowOf)),
        );
      return;
    }
    const found = pick(rollouts, id);
    const shown = action === 'status' ? found : await control(controlPlane, found.id, action);
    if (options.json) console.log(JSON.stringify(toJson(shown), null, 2));
    else process.stdout.write(describe(shown));
  });
}

async function listRollouts(controlPlane: ControlPlane): Promise<readonly Rollout[]> {
  return listPages(controlPlane, 'ListRollouts', {}, ({ rollouts }: ListRolloutsResponse) => rollouts);
}

async function control(controlPlane: ControlPlane, id: string, action: Action): Promise<Rollout> {
  const { rollout: after } = await controlPlane.call<ControlRolloutResponse>('ControlRollout', { id, action });
  if (after === undefined) throw new ApiError(`expected rollout ${id} in the answer, found none`);
  return after;
}

/** The one of that name; without a name the only one that is under way. */
function pick(rollouts: readonly Rollout[], id: string | undefined): Rollout {
  const candidates = rollouts.filter((each) => (id === undefined ? UNDER_WAY.includes(each.state) : each.id === id));
  const [found, ...others] = candidates;
  if (found === undefined)
    throw new ApiError(id === undefined ? 'no rollout is under way' : `there is no rollout ${id}`);
  if (others.length > 0) {
    throw new UsageError(
      `expected the name of a rollout: ${candidates.map((each) => each.id).join(', ')} are under way`,
    );
  }
  return found;
}

function rowOf({ id, state, percent, updated, selected, failed, started_at: startedAt, author }: Rollout): string[] {
  return [id, state, `${percent} %`, `${updated} of ${selected}`, String(failed.length), ageOf(startedAt), author];
}

function describe({ id, state, reason, percent, updated, selected, failed, changes, policy, author }: Rollout): string {
  const steps = (policy?.percent ?? []).map((step) => `${step} %`).join(', ');
  return [
    `rollout    ${id}, by ${author}`,
    `state      ${state}${reason === '' ? '' : ` (${reason})`}`,
    `at         ${percent} %: ${updated} of ${selected} proxies`,
    `steps      ${steps}${policy?.manual ? ', each when it is told to' : ''}; at most ${policy?.max_failures ?? 0} may fail`,
    ...changes.map(({ key, action }) => `change     ${formatKey(key)} ${action}`),
    ...failed.map(({ proxy, message }) => `failed     ${proxy}: ${message}`),
    '',
  ].join('\n');
}

/** How often a rollout is looked at, in ms. */
const INTERVAL = 500;

/** Until a rollout is through; says on stderr how far it is. @throws TimeoutError where it went back, or takes too long */
export async function followRollout(controlPlane: ControlPlane, id: string, timeout: number): Promise<void> {
  const deadline = Date.now() + timeout;
  let shown = '';
  for (;;) {
    const found = pick(await listRollouts(controlPlane), id);
    const progress = `${found.state} at ${found.percent} %: ${found.updated} of ${found.selected}`;
    if (progress !== shown) console.error(progress);
    shown = progress;
    if (found.state === 'completed') return;
    if (!UNDER_WAY.includes(found.state)) throw new TimeoutError(`rollout ${id} is ${found.state}: ${found.reason}`);
    if (Date.now() > deadline)
      throw new TimeoutError(`expected rollout ${id} within ${timeout / 1000} s, found it ${progress}`);
    await sleep(INTERVAL);
  }
}
