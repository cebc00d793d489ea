/** Opens the engines that the kernel has, or says why there is none. */
import { readFileSync } from 'node:fs';

import { ProxyError } from '../../common/errors.ts';
import type { OffloadEngine, OffloadRefusal } from '../core/offload.ts';
import { readObject, refusalOf } from '../kernel/program-file.ts';
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
    const [{ TcEngine }, { parseObjectFile }] = await Promise.all([
      import('./tc-engine.ts'),
      import('../kernel/object-file.ts'),
    ]);
    const object = parseObjectFile(readObject('udp'));
    return new TcEngine(object, { ...rest, capacity, pins: where && (await openPins(where, capacity)) });
  } catch (error) {
    return refusalOf(error, 'kernel offload');
  }
}

/** @throws ProxyError */
async function openPins(where: PinOptions, capacity: number): Promise<PinFolder> {
  const { openPinFolder } = await import('./pin-folder.ts');
  const { layoutVersion } = await import('./layout.ts');
  try {
    return await openPinFolder(where, layoutVersion(capacity));
  } catch (error) {
    const { code, message } = ProxyError.from(error);
    throw new ProxyError(code, `admin.offload_pin: ${message}`);
  }
}

/** Has the kernel let go of what an earlier process has left there. @throws ProxyError */
export async function removePins(where: PinOptions): Promise<void> {
  const { unpin } = await import('./pin-folder.ts');
  await unpin(where);
}

/** Interfaces that are named and not there; and those that are, lo aside. */
export function findMissing(
  names: readonly string[],
  there: readonly string[] = interfaceNames(),
): { readonly missing: readonly string[]; readonly there: readonly string[] } {
  return { missing: names.filter((name) => !there.includes(name)), there: there.filter((name) => name !== 'lo') };
}

/** All interfaces of the network namespace: `os.networkInterfaces` leaves out those without a carrier or an address. */
function interfaceNames(): string[] {
  const [, , ...lines] = readFileSync('/proc/self/net/dev', 'utf8').trimEnd().split('\n');
  return lines.map((line) => line.slice(0, line.indexOf(':')).trim());
}

export type ConnectionEngine = Pick<
  SpliceEngine,
  'attachment' | 'stats' | 'insert' | 'remove' | 'abandon' | 'read' | 'onEvent' | 'close'
>;

/** Likewise, the engine of TCP connections. */
export async function openSpliceEngine(options: EngineOptions = {}): Promise<ConnectionEngine | OffloadRefusal> {
  try {
    const { SpliceEngine } = await import('./splice-engine.ts');
    const { parseObjectFile } = await import('../kernel/object-file.ts');
    return new SpliceEngine(parseObjectFile(readObject('tcp')), { capacity: CONNECTIONS, ...options });
  } catch (error) {
    return refusalOf(error, 'splicing of TCP connections');
  }
}
