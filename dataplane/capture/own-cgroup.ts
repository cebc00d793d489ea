/** The cgroup of this process, by which the kernel knows its sockets (cgroups(7)). */
import { readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

/** The identifier, which is that of its folder (fs/kernfs); undefined where there is no cgroup of version 2. */
export function ownCgroup(): bigint | undefined {
  try {
    const path = /^0::(.*)$/mu.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1];
    if (path === undefined) return undefined;
    for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
      const [fields = '', type = ''] = line.split(' - ');
      const [, , , root = '', place = ''] = fields.split(' ');
      const below = relative(root, path);
      // Another part of the tree is mounted there.
      if (!type.startsWith('cgroup2 ') || below.startsWith('..')) continue;
      return statSync(join(place, below), { bigint: true }).ino;
    }
  } catch {
    // It is not to be seen from here.
  }
  return undefined;
}
