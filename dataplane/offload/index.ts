/** Opens the engines that the kernel has, or says why there is none. */
import { readFileSync } from 'node:fs';
import { ProxyError } from '../../common/errors.ts';
import type { OffloadEngine, OffloadRefusal } from '../core/offload.ts';
import type { PinFolder, PinOptions } from './pin-folder.ts';
import type { SpliceEngine } from './splice-engine.ts';

export interface EngineOptions {
  /** Pairs that there may be at a time. Default: 16,384, which takes about 12 MB of the kernel's memory with two CPUs. */
  readonly capacity?: number;
  /** Names of the interfaces that may be used, lo aside. Default: all. */
  readonly interfaces?: readonly string[];
  /** How programs are attached. Default: `tcx` where the kernel has it (6.6), else `clsact`. */
  readonly attachment?: 'tcx' | 'clsact';
  /** Where UDP sessions stay in the kernel when the process ends. Default: they don't. */
  readonly pins?: PinOptions | undefined;
}

const CAPACITY = 16_384;
const CONNECTIONS = 4096;

/** It never rejects: without privileges, on other systems and on old kernels it is a refusal. */
export async function openOffloadEngine(options: EngineOptions = {}): Promise<OffloadEngine | OffloadRefusal> {
  const { capacity = CAPACITY, pins: where, ...rest } = options;
  try {
    // System calls are there on some platforms only.
    const [{ TcEngine }, { parseObjectFile }, { PinFolder }, { layoutVersion }] = await Promise.all([
      import('./tc-engine.ts'),
      import('./object-file.ts'),
      import('./pin-folder.ts'),
      import('./layout.ts'),
    ]);
    const object = parseObjectFile(readObject('udp'));
    let pins: PinFolder | undefined;
    try {
      pins = where && new PinFolder(where, layoutVersion(capacity));
    } catch (error) {
      return { reason: 'error', message: `admin.offload_pin: ${ProxyError.from(error).message}` };
    }
    return new TcEngine(object, { ...rest, capacity, pins });
  } catch (error) {
    const needs = 'needs Linux 5.16, CAP_BPF and CAP_NET_ADMIN';
    return { reason: 'unsupported', message: `kernel offload ${needs}: ${ProxyError.from(error).message}` };
  }
}

/** Has the kernel let go of what an earlier process has left there. @throws ProxyError */
export async function removePins(where: PinOptions): Promise<void> {
  const { unpin } = await import('./pin-folder.ts');
  unpin(where);
}

export type ConnectionEngine = Pick<
  SpliceEngine,
  'attachment' | 'stats' | 'insert' | 'remove' | 'abandon' | 'read' | 'onEvent' | 'close'
>;

/** Likewise, the engine of TCP connections. */
export async function openSpliceEngine(options: EngineOptions = {}): Promise<ConnectionEngine | OffloadRefusal> {
  try {
    const { SpliceEngine } = await import('./splice-engine.ts');
    const { parseObjectFile } = await import('./object-file.ts');
    return new SpliceEngine(parseObjectFile(readObject('tcp')), { capacity: CONNECTIONS, ...options });
  } catch (error) {
    const needs = 'needs Linux 6.6, CAP_BPF and CAP_NET_ADMIN';
    return {
      reason: 'unsupported',
      message: `splicing of TCP connections ${needs}: ${ProxyError.from(error).message}`,
    };
  }
}

/** It is beside the sources, and beside what they are built to. */
function readObject(name: 'udp' | 'tcp'): Buffer {
  const places = [2, 3, 4].map((levels) => new URL(`${'../'.repeat(levels)}ebpf/${name}.bpf.o`, import.meta.url));
  for (const place of places) {
    try {
      return readFileSync(place);
    } catch {
      // the next
    }
  }
  throw new ProxyError('NOT_FOUND', `expected ebpf/${name}.bpf.o beside the sources, found none: ${places.join(' ')}`);
}
