/** Ends a child and all that it has started, but for those that left its process group (setsid(2)). */

/** Between two looks whether the group is gone, in ms. */
const LOOK = 20;

/** Leaders of groups that live. */
const live = new Set<number>();

/** From when it was started until `endGroup` has ended it: a proxy that exits in between kills it. */
export function watchGroup(pid: number): void {
  if (live.size === 0) process.on('exit', killAll);
  live.add(pid);
}

function killAll(): void {
  for (const pid of live) signalGroup(pid, 'SIGKILL');
}

/** SIGTERM, and SIGKILL for what is there `timeout` ms later. Resolves when the group is gone. `pid`: its leader's. */
export async function endGroup(pid: number, timeout: number): Promise<void> {
  await ended(pid, timeout);
  live.delete(pid);
  if (live.size === 0) process.off('exit', killAll);
}

async function ended(pid: number, timeout: number): Promise<void> {
  if (!signalGroup(pid, 'SIGTERM')) return;
  const deadline = Date.now() + timeout;
  while (Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(LOOK, timeout)));
    // As long as one of the group lives, its number isn't given to another process.
    if (!signalGroup(pid, 0)) return;
  }
  signalGroup(pid, 'SIGKILL');
}

/** False: there is no such group any more. */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // it changed its user: it is there
  }
}
