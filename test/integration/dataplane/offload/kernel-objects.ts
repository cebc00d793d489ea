/** What a process has in the kernel's eyes: programs, maps and links, and what is left of them. */
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { runCommand } from '../../../support/command.ts';
import { PYTHON } from '../../../support/peer.ts';

/** The kernel's identifiers of a process's programs, maps and links. */
export interface Objects {
  readonly map: readonly number[];
  readonly prog: readonly number[];
  readonly link: readonly number[];
}

export function objectsOf(pid: number): Objects {
  const texts = readdirSync(`/proc/${pid}/fdinfo`).map((fd) => {
    try {
      return readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
    } catch {
      return ''; // closed meanwhile
    }
  });
  const idsOf = (pattern: RegExp): number[] => [
    ...new Set(texts.flatMap((text) => pattern.exec(text)?.[1] ?? []).map(Number)),
  ];
  return { map: idsOf(/^map_id:\t(\d+)/mu), prog: idsOf(/^prog_id:\t(\d+)/mu), link: idsOf(/^link_id:\t(\d+)/mu) };
}

/** Which of these are still there; and how many entries the hashes among them have. See uapi/linux/bpf.h. */
const BPF = `
import ctypes, json, os, platform, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes + bytes(64 - len(attributes)), 64)
    return libc.syscall(321 if platform.machine() == 'x86_64' else 280, command, buffer, 64)
wanted = json.loads(sys.argv[1]); left = []; entries = 0
for kind, command in (('map', 14), ('prog', 13), ('link', 30)):
    for id in wanted[kind]:
        fd = bpf(command, struct.pack('I', id))
        if fd < 0: continue
        left.append(kind)
        info = dict(line.split(':\\t') for line in open(f'/proc/self/fdinfo/{fd}').read().splitlines() if ':\\t' in line)
        if kind == 'map' and info['map_type'] == '1':
            key = ctypes.create_string_buffer(int(info['key_size'])); first = 0
            while bpf(4, struct.pack('IIQQ', fd, 0, first, ctypes.addressof(key))) == 0:
                entries += 1; first = ctypes.addressof(key)
        os.close(fd)
print(json.dumps({'left': left, 'entries': entries}))`;

export async function look(objects: Objects): Promise<{ left: readonly string[]; entries: number }> {
  const { code, stdout, stderr } = await runCommand(PYTHON, ['-c', BPF, JSON.stringify(objects)]);
  expect(code, stderr).to.equal(0);
  return JSON.parse(stdout) as { left: string[]; entries: number };
}
