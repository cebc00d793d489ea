/** What a proxy in a namespace says of the sessions that the kernel relays. */
import { execFileSync } from 'node:child_process';

const URL = 'http://127.0.0.1:1234/api/v1/offload';

export function countKernelSessions(namespace: string): number {
  const text = execFileSync('ip', ['netns', 'exec', namespace, 'curl', '-sSf', URL], { encoding: 'utf8' });
  const { sessions } = JSON.parse(text) as { sessions: readonly { readonly state: string }[] };
  return sessions.filter(({ state }) => state === 'kernel').length;
}
