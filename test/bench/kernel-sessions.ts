/** What a proxy in a namespace says of the sessions that the kernel relays. */
import { execFileSync } from 'node:child_process';

const URL = 'http://127.0.0.1:1234/api/v1/offload';

/** `ports`: those of clients that are counted, from and up to without; undefined: all are. */
export function countKernelSessions(namespace: string, ports?: readonly [number, number]): number {
  const text = execFileSync('ip', ['netns', 'exec', namespace, 'curl', '-sSf', URL], { encoding: 'utf8' });
  const { sessions } = JSON.parse(text) as {
    sessions: readonly { readonly session: string; readonly state: string }[];
  };
  const counts = (name: string): boolean => {
    const port = Number(/:(\d+)-/u.exec(name)?.[1]);
    return ports === undefined || (port >= ports[0] && port < ports[1]);
  };
  return sessions.filter(({ session, state }) => state === 'kernel' && counts(session)).length;
}

/** How long sessions may take to get there. */
const HAND_OVER_MS = 30_000;

/** Calls `wait`, which has them speak, until the kernel has as many. @throws Error where it takes too long */
export async function untilInKernel(
  count: number,
  look: () => number,
  wait: () => void | Promise<void>,
): Promise<void> {
  const deadline = performance.now() + HAND_OVER_MS;
  for (let found = look(); found < count; found = look()) {
    if (performance.now() > deadline) throw new Error(`expected ${count} sessions in the kernel, found ${found}`);
    await wait();
  }
}
