/** Takes rollouts from step to step: on the replica that leads. What it decides is in the store before anybody sees it. */
import type { ProxyFault } from '../../gen/messages.ts';
import type { Logger } from '../../common/log.ts';
import type { Committer } from '../live/committer.ts';
import { endRollout } from '../live/committer.ts';
import { changeOf, type ObjectChange } from '../live/history.ts';
import type { StoreMirror } from '../live/mirror.ts';
import { rolloutKey } from '../model/keys.ts';
import { idOf } from '../model/object.ts';
import { type ControlAction, isUnderWay, type RolloutRecord } from '../model/rollout-record.ts';
import type { Measure } from './measure.ts';
import { chosenOf, type Next, nextOf, stepTo } from './steps.ts';

export interface RolloutOptions {
  readonly mirror: StoreMirror;
  readonly committer: Committer;
  readonly log: Logger;
  /** How far a rollout is, over all replicas. */
  readonly measure: (rollout: RolloutRecord) => Measure;
  /** Whether a proxy is connected, to any replica. */
  readonly isConnected: (proxy: string) => boolean;
  /** Whether this replica leads. */
  readonly leads: () => boolean;
  /** A proxy that had it and is gone for so long counts as failed, in ms. 15,000 when absent. */
  readonly grace?: number;
  /** Between two looks, in ms. 500 when absent. */
  readonly interval?: number;
}

export class Rollouts {
  private readonly options: RolloutOptions;
  /** By rollout: the proxies that had it, and since when they are gone. */
  private readonly seen = new Map<string, Map<string, number>>();
  private readonly stopped = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private busy: Promise<void> = Promise.resolve();
  private looking = false;

  constructor(options: RolloutOptions) {
    this.options = options;
  }

  start(): void {
    this.timer = setInterval(() => void this.look(), this.options.interval ?? 500);
    this.timer.unref();
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    this.stopped.abort();
    await this.busy;
  }

  /** Looks whether something comes next in any rollout, and does it. One look at a time. */
  look(): Promise<void> {
    if (this.looking) return this.busy;
    this.looking = true;
    this.busy = this.lookAtAll().finally(() => (this.looking = false));
    return this.busy;
  }

  private async lookAtAll(): Promise<void> {
    const { mirror, leads } = this.options;
    if (!leads()) {
      this.seen.clear();
      return;
    }
    for (const id of this.seen.keys()) if (!isKnown(mirror, id)) this.seen.delete(id);
    for (const rollout of [...mirror.rollouts.values()]) if (isUnderWay(rollout)) await this.attempt(rollout.id);
  }

  private async attempt(id: string): Promise<void> {
    const { signal } = this.stopped;
    if (signal.aborted) return;
    await this.advance(id, (now, measured, vanished) => nextOf(now, measured, vanished, Date.now())).catch(
      (error: unknown) => {
        if (signal.aborted) return;
        this.options.log.warn({ rollout: id, error: String(error) }, 'the rollout could not go on; it is tried again');
      },
    );
  }

  /** As it is, with its proxies. */
  stateOf(rollout: RolloutRecord): RolloutRecord {
    if (!isUnderWay(rollout)) return rollout;
    const { selected, updated, failed } = this.options.measure(rollout);
    const vanished = this.vanished(rollout, selected);
    return { ...rollout, selected: selected.size, updated: updated.size, failed: shown([...failed, ...vanished]) };
  }

  /** Tells a rollout how to go on. False where it has ended by then. */
  control(id: string, action: ControlAction, author: string): Promise<boolean> {
    return this.advance(id, (rollout, { selected }) => {
      switch (action) {
        case 'promote':
          return { type: 'complete' };
        case 'next':
          return stepTo(rollout, rollout.step + 1, selected);
        case 'pause':
          return { type: 'pause', reason: `paused by ${author}` };
        case 'resume':
          return { type: 'resume' };
        default:
          return { type: 'roll-back', reason: `aborted by ${author}` };
      }
    });
  }

  private async advance(
    id: string,
    decide: (
      rollout: RolloutRecord,
      measured: Measure,
      vanished: readonly ProxyFault[],
    ) => Next | { readonly type: 'resume' },
  ): Promise<boolean> {
    const { mirror, committer, measure, log } = this.options;
    const first = mirror.rollouts.get(id);
    if (first === undefined) return false;
    const look = (rollout: RolloutRecord) => {
      const measured = measure(rollout);
      const vanished = this.vanished(rollout, measured.selected);
      return { measured, vanished, next: decide(rollout, measured, vanished) };
    };
    if (look(first).next.type === 'wait') return false;
    let made: RolloutRecord | undefined;
    await committer.commit(() => {
      made = undefined; // an attempt before this one was not made
      const rollout = mirror.rollouts.get(id);
      const nothing = { changes: [], author: '', message: '' };
      if (rollout === undefined || !isUnderWay(rollout)) return nothing;
      const { measured, vanished, next } = look(rollout);
      if (next.type === 'wait') return nothing;
      const end = { ...rollout, ...outcomeOf(rollout, next, measured, vanished) };
      made = end;
      const more = isUnderWay(end)
        ? [{ type: 'put' as const, key: rolloutKey(id), value: Buffer.from(JSON.stringify(end)) }]
        : endRollout(rollout, end);
      return {
        changes: next.type === 'complete' ? this.changesOf(rollout) : [],
        author: rollout.author,
        message: rollout.message,
        rollout: id,
        more,
      };
    }, this.stopped.signal);
    if (made === undefined) return false;
    const { state, step, reason } = made;
    log.info({ rollout: id, state, step, reason }, 'the rollout goes on');
    return true;
  }

  private changesOf({ id, changes }: RolloutRecord): ObjectChange[] {
    const { mirror } = this.options;
    return changes.flatMap(({ key, action }): ObjectChange[] => {
      const before = mirror.objects.get(idOf(key));
      const after = action === 'deleted' ? undefined : mirror.candidates.get(id)?.get(idOf(key));
      if (before === undefined && after === undefined) return [];
      return [changeOf(key, before, after)];
    });
  }

  /**
   * Proxies that had the new objects, and have not been connected to any replica for a while. One that the change is not for any
   * more, as its labels are others, is none of them.
   */
  private vanished(rollout: RolloutRecord, selected: Measure['selected']): ProxyFault[] {
    const seen = this.seen.get(rollout.id) ?? new Map<string, number>();
    this.seen.set(rollout.id, seen);
    const now = Date.now();
    for (const [id, position] of selected) if (position < rollout.threshold) seen.set(id, 0);
    const faults: ProxyFault[] = [];
    for (const [proxy, since] of seen) {
      if (selected.has(proxy)) continue;
      if (this.options.isConnected(proxy)) seen.delete(proxy);
      else if (since === 0) seen.set(proxy, now);
      else if (now - since >= (this.options.grace ?? 15_000)) {
        faults.push({ proxy, kind: 'failed', message: 'it is not connected any more' });
      }
    }
    return faults;
  }
}

/** As many failures as a record has. */
function shown(failed: readonly ProxyFault[]): readonly ProxyFault[] {
  return failed.slice(0, 100);
}

function isKnown(mirror: StoreMirror, id: string): boolean {
  const rollout = mirror.rollouts.get(id);
  return rollout !== undefined && isUnderWay(rollout);
}

/** What the record says then. */
function outcomeOf(
  rollout: RolloutRecord,
  next: Exclude<Next, { type: 'wait' }> | { readonly type: 'resume' },
  { selected, updated, failed }: Measure,
  vanished: readonly ProxyFault[],
): Partial<RolloutRecord> & Pick<RolloutRecord, 'state' | 'reason'> {
  const now = new Date().toISOString();
  const end = { selected: selected.size, updated: updated.size, failed: shown([...failed, ...vanished]) };
  switch (next.type) {
    case 'step': {
      const { step, threshold } = next;
      const chosen = chosenOf({ ...rollout, threshold }, selected);
      const reason = `${chosen} of ${selected.size} proxies get it`;
      return { state: 'progressing', step, threshold, step_at: now, reason };
    }
    case 'pause':
      return { state: 'paused', reason: next.reason };
    case 'resume':
      return { state: 'progressing', step_at: now, reason: '' };
    case 'complete':
      return { ...end, updated: selected.size, state: 'completed', reason: 'all proxies get it' };
    default:
      return { ...end, state: 'rolled-back', reason: next.reason };
  }
}
