/** What a condition of an object was from one moment on, as kubectl tells whoever watches it. */
import { join } from 'node:path';
import { Peer } from '../peer.ts';
import type { Kube } from './kube.ts';
import { BIN } from './program.ts';

export class ConditionLog {
  private readonly kubectl: Peer;

  private constructor(kubectl: Peer) {
    this.kubectl = kubectl;
  }

  /** `object`: as in `gateway/web`; `conditions`: where they are, as in `.status.conditions`. Resolves when it was told what it is now. */
  static async start(
    kube: Kube,
    namespace: string,
    object: string,
    type: string,
    conditions: string,
  ): Promise<ConditionLog> {
    const path = `{range ${conditions}[?(@.type=="${type}")]}{.status} {.reason}: {.message}{"\\n"}{end}`;
    const log = new ConditionLog(
      new Peer(join(BIN, 'kubectl'), [
        ...['--kubeconfig', kube.kubeconfig, '--cache-dir', join(kube.directory, 'cache'), '--namespace', namespace],
        ...['get', object, '--watch', `--output=jsonpath=${path}`],
      ]),
    );
    await log.kubectl.output(/\n/u);
    return log;
  }

  /** One after the other, as in `True Programmed: 2 of 2 proxies`; what came twice in a row once. */
  get told(): string[] {
    const lines = this.kubectl.stdout.split('\n').filter((line) => line !== '');
    return lines.filter((line, index) => line !== lines[index - 1]);
  }

  async stop(): Promise<void> {
    await this.kubectl.stop();
  }
}
