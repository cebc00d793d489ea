/** One testbed for all files of a folder that run in the same process: it starts with the first that needs it. */
import { Kube, type KubeOptions } from './kube.ts';

/** How long the start may take, in ms: on a busy machine. */
const LIMIT = 180_000;

const started = new Map<string, Promise<Kube>>();

// After all files: this one is loaded outside of any suite.
after(async function () {
  this.timeout(LIMIT);
  for (const kube of started.values()) await (await kube).stop();
});

/** Within `describe`: gives what gives the testbed with these options, from `before` on. Tests keep to namespaces of their own. */
export function sharedKube(options: KubeOptions = {}): () => Kube {
  let kube: Kube | undefined;
  before(async function () {
    this.timeout(LIMIT);
    const key = JSON.stringify(options);
    const starting = started.get(key) ?? Kube.start(options);
    started.set(key, starting);
    kube = await starting;
  });
  return () => {
    if (!kube) throw new Error('expected a test or hook to ask for the testbed');
    return kube;
  };
}
