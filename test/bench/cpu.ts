/** Time of CPUs, from /proc (proc(5)). */
import { readdirSync, readFileSync } from 'node:fs';
import { childrenOf } from './resident.ts';

/** USER_HZ, in which /proc/stat counts. */
const TICKS = 100;

/** All of the machine's; a process may use some of them only. */
const CPUS = readFileSync('/proc/stat', 'utf8').match(/^cpu\d+ /gmu)?.length ?? 1;

/** Seconds that all CPUs together were idle: the kernel measures that, whereas it only samples what they do. */
function idleSeconds(): number {
  const [, , , , idle = '0', waiting = '0'] = readFileSync('/proc/stat', 'utf8').split('\n')[0]?.split(/ +/) ?? [];
  return (Number(idle) + Number(waiting)) / TICKS;
}

/** Starts to measure; what it gives says how many seconds CPUs were busy since then, all together. */
export function measureBusy(): () => number {
  const idle = idleSeconds();
  const start = performance.now();
  return () => ((performance.now() - start) / 1000) * CPUS - (idleSeconds() - idle);
}

/** Seconds that a process and its children have run so far. */
export function cpuSeconds(pid: number): number {
  const own = readdirSync(`/proc/${pid}/task`)
    .map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e9)
    .reduce((sum, seconds) => sum + seconds, 0);
  return childrenOf(pid).reduce((sum, child) => sum + cpuSeconds(child), own);
}
