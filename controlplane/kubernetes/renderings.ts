/** Statuses as they are told: of an object that is asked for often, and of a status that changes seldom, little is done twice. */
import type { ObjectStatus } from '../../gen/messages.ts';
import type { Progress, StatusPlan } from './api/reader.ts';
import { progressOf } from './progress.ts';
import type { DesiredStatus } from './runtime/index.ts';

interface Rendered {
  /** Of what. */
  readonly progress: string;
  readonly told: DesiredStatus;
}

export class Renderings {
  readonly #rendered = new WeakMap<StatusPlan, Rendered>();
  /** Since when proxies are waited for, by `performance.now()`, of objects by their names. */
  #waiting: ReadonlyMap<string, number> = new Map();
  readonly #patience: number;

  /**
   * @param patience How long proxies may take to come back, and to have all, before it is told that they haven't, in ms: a control plane
   * that starts knows none yet, and one that goes leaves its proxies to others.
   */
  constructor(patience: number) {
    this.#patience = patience;
  }

  /** As if nothing had ever been told. */
  forget(): void {
    this.#waiting = new Map();
  }

  /** After so many ms some are no more provisional; undefined: none is. */
  restAt(now: number): number | undefined {
    const ends = Array.from(this.#waiting.values(), (since) => since + this.#patience - now).filter((rest) => rest > 0);
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  /**
   * The statuses of plans, in their order: the very same as before where objects are as far as before.
   *
   * @param now by `performance.now()`
   */
  of(
    plans: readonly StatusPlan[],
    statusOf: (id: string) => ObjectStatus | undefined,
    now = performance.now(),
  ): DesiredStatus[] {
    const waiting = new Map<string, number>();
    const known = new Map<string, ObjectStatus | undefined>();
    const once = (id: string): ObjectStatus | undefined => {
      if (!known.has(id)) known.set(id, statusOf(id));
      return known.get(id);
    };
    const told = plans.map((plan) => {
      const progress = progressOf(plan.objects, once);
      const isProvisional = isWaiting(plan, progress) && this.#isPatient(plan, waiting, now);
      const print = JSON.stringify([progress, isProvisional]);
      const before = this.#rendered.get(plan);
      if (before?.progress === print) return before.told;
      const told = { ref: plan.ref, status: plan.render(progress), ...(isProvisional && { isProvisional }) };
      this.#rendered.set(plan, { progress: print, told });
      return told;
    });
    this.#waiting = waiting;
    return told;
  }

  /** Notes since when it waits. */
  #isPatient({ ref }: StatusPlan, waiting: Map<string, number>, now: number): boolean {
    const key = `${ref.kind}/${ref.namespace}/${ref.name}`;
    const since = this.#waiting.get(key) ?? now;
    waiting.set(key, since);
    return now - since < this.#patience;
  }
}

/** Whether some proxy has not all of it yet, or there is none, and nobody says why. */
function isWaiting({ objects }: StatusPlan, { selected, acked, serving, failures }: Progress): boolean {
  if (objects.length === 0 || failures.length > 0) return false;
  return selected === 0 || acked < selected || serving < selected;
}
