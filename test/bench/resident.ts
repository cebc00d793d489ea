/** Memory of processes, from /proc (proc(5)). */
import { readdirSync, readFileSync } from 'node:fs';

/** Resident memory of a process and its children, in KB; 0 where it is gone. */
export function residentKb(pid: number): number {
  try {
    const own = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
    return childrenOf(pid).reduce((sum, child) => sum + residentKb(child), own);
  } catch {
    return 0;
  }
}

/** @throws where it is gone */
export function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`)
    .flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' '))
    .filter(Boolean)
    .map(Number);
}

/** The most resident memory that a process had so far, in KB. */
export function peakKb(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? NaN);
}
