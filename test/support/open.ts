/** What the process has open, and where it was made: handles and timers of Node.js, and descriptors of the kernel. */
import { createHook } from 'node:async_hooks';
import { readdirSync, readlinkSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';

/** Those that keep the process alive, or hold something of the kernel. */
const WATCHES = ['FSEVENTWRAP', 'STATWATCHER'];
const HANDLES = [
  ...['TCPWRAP', 'TCPSERVERWRAP', 'UDPWRAP', 'PIPEWRAP', 'PIPESERVERWRAP', 'TTYWRAP', 'PROCESSWRAP'],
  ...WATCHES,
];
const TYPES = new Set(['Timeout', ...HANDLES]);
/** The frames that are looked through for one that is not of Node.js itself. */
const FRAMES = 30;

interface Resource {
  hasRef?(): boolean;
  readonly _destroyed?: boolean;
  readonly fd?: number;
}

/** Something that is open. */
export interface Open {
  /** Unique, and the larger the later it was made. */
  readonly id: number;
  readonly kind: string;
  /** Where it was made; empty where that is unknown. */
  readonly stack: string;
}

const made = new Map<number, { readonly type: string; readonly resource: Resource; readonly at: { stack: string } }>();

// Made as late as they are used, and kept to the end: none of a test's own.
for (const stream of [process.stdout, process.stderr]) stream.uncork();
watch(tmpdir()).close();

createHook({
  init(id, type, _trigger, resource) {
    if (!TYPES.has(type)) return;
    const at = { stack: '' };
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = FRAMES;
    Error.captureStackTrace(at); // a string only when it is read
    Error.stackTraceLimit = limit;
    made.set(id, { type, resource, at });
  },
  destroy(id) {
    made.delete(id);
  },
}).enable();

/** The handles and timers that keep the process alive, and file watches. */
export function openHandles(): Open[] {
  const open: Open[] = [];
  for (const [id, { type, resource, at }] of made) {
    // A watch holds something of the kernel even where it lets the process end.
    const isOpen = WATCHES.includes(type) || (resource.hasRef?.() === true && resource._destroyed !== true);
    if (isOpen) open.push({ id, kind: type === 'Timeout' ? `timer of ${siteOf(at.stack)}` : type, stack: at.stack });
  }
  return open;
}

/** Descriptors of the kernel that no handle has. What tells two of a kind apart is left out. */
export function openDescriptors(): Open[] {
  const handles = new Set([...made.values()].map(({ resource }) => resource.fd));
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const kind = readlinkSync(`/proc/self/fd/${fd}`).replace(/:\[\d+\]$/u, '');
      const isOwn = handles.has(Number(fd)) || kind.startsWith('/proc/');
      return isOwn ? [] : [{ id: Number(fd), kind: `descriptor of ${kind}`, stack: '' }];
    } catch {
      return []; // closed meanwhile: the directory's own is
    }
  });
}

/** Those of each kind that are more than there were, the latest of them. */
export function more(now: readonly Open[], before: readonly Open[]): Open[] {
  const counts = new Map<string, number>();
  for (const { kind } of before) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const sorted = [...now].sort((one, other) => one.id - other.id);
  return sorted.filter(({ kind }) => {
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count - 1);
    return count <= 0;
  });
}

/** A timer of the test runner's own. */
export function isRunners({ kind }: Open): boolean {
  return kind.startsWith('timer of ') && kind.includes('/node_modules/mocha/');
}

/** For people. */
export function describe({ kind, stack }: Open): string {
  return stack === '' ? kind : `${kind}\n${framesOf(stack).join('\n')}`;
}

/** The first line of code that is not Node.js's own. */
function siteOf(stack: string): string {
  return (framesOf(stack).find((frame) => !frame.includes('node:')) ?? 'Node.js').trim().replace(/^at /u, '');
}

function framesOf(stack: string): string[] {
  // The first is that of the hook.
  return stack
    .split('\n')
    .filter((line) => line.startsWith('    at '))
    .slice(1);
}
