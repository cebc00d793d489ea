/** Descriptors of this process: sockets that are not Node.js's own show up nowhere else. */
import { expect } from 'chai';
import { readdirSync, readlinkSync } from 'node:fs';

/** Sockets, named pipes and the like; files and Node.js's own descriptors are not counted. */
export function descriptors(): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return ''; // the directory's own
      }
    })
    .filter((target) => /^socket:|inotify|eventfd|eventpoll|fifo/u.test(target) || target.endsWith('.fifo'));
}

/** Waits until there are no more than there were. */
export async function expectNoMoreThan(before: readonly string[]): Promise<void> {
  const deadline = Date.now() + 3000;
  while (descriptors().length > before.length && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(
    descriptors().length,
    `descriptors, before: ${before.join(' ')}; now: ${descriptors().join(' ')}`,
  ).to.be.at.most(before.length);
}
