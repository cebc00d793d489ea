/** Directories of testbeds, each with the process that it belongs to in its name: what a killed run left, a later one removes. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'l7mp-kubernetes-';

/** A new one; those whose process is gone are removed. */
export function ownDirectory(): string {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const [pid = '', born = ''] = name.slice(PREFIX.length).split('-');
    if (bornAt(pid) !== born) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
  return mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-${bornAt(String(process.pid))}-`));
}

/** When a process was started, in ticks since the machine was (proc_pid_stat(5), field 22): another process of its number has another. */
function bornAt(pid: string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
