/** Statuses as they are told: of an object that is asked for often, and of a status that changes seldom, little is done twice. */
import type { ObjectStatus } from '../../gen/messages.ts';
import type { StatusPlan } from './api/reader.ts';
import { progressOf } from './progress.ts';
import type { DesiredStatus } from './runtime/index.ts';

interface Rendered {
  /** Of what. */
  readonly progress: string;
  readonly told: DesiredStatus;
}

export class Renderings {
  readonly #rendered = new WeakMap<StatusPlan, Rendered>();

  /** The statuses of plans, in their order: the very same as before where objects are as far as before. */
  of(plans: readonly StatusPlan[], statusOf: (id: string) => ObjectStatus | undefined): DesiredStatus[] {
    const known = new Map<string, ObjectStatus | undefined>();
    const once = (id: string): ObjectStatus | undefined => {
      if (!known.has(id)) known.set(id, statusOf(id));
      return known.get(id);
    };
    return plans.map((plan) => {
      const progress = progressOf(plan.objects, once);
      const print = JSON.stringify(progress);
      const before = this.#rendered.get(plan);
      if (before?.progress === print) return before.told;
      const told = { ref: plan.ref, status: plan.render(progress) };
      this.#rendered.set(plan, { progress: print, told });
      return told;
    });
  }
}
