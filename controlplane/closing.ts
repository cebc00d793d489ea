/** What a process has opened, to be closed in the reverse order: all of it, whatever fails on the way. */
import type { Logger } from '../common/log.ts';

/** `graceMs`: what is under way may take so long to end. */
type Step = (graceMs: number) => unknown;

export class Closing {
  readonly #log: Logger;
  #steps: { readonly what: string; readonly step: Step }[] = [];

  constructor(log: Logger) {
    this.#log = log;
  }

  /** `what`: as it is called in the log where it fails. */
  add(what: string, step: Step): void {
    this.#steps.push({ what, step });
  }

  /** @throws what the first step that failed has thrown, when all are done. What others have thrown is logged only. */
  async run(graceMs: number): Promise<void> {
    const errors: unknown[] = [];
    const steps = this.#steps.reverse();
    this.#steps = [];
    for (const { what, step } of steps) {
      try {
        await step(graceMs);
      } catch (error) {
        errors.push(error);
        this.#log.error({ what, error }, 'a part of the control plane did not close as it should');
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
