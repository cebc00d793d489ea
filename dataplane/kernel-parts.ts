/** What `admin` asks of the kernel is opened, and loaded only then: its way for hot sessions, and what leads others' sessions here. */
import type { Admin } from '../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../common/errors.ts';
import type { ProcessLogger } from '../common/telemetry/log.ts';
import type { OpenCapture } from './capture/index.ts';
import type { KernelPath } from './core/kernel-path.ts';
import type { OffloadStatus } from './core/offload.ts';
import type { PinOptions } from './offload/pin-folder.ts';

/** The kernel's way for hot sessions, or what says why there is none; undefined where nobody asks for it. */
export async function openKernelPath(
  { offload, offload_ifs: interfaces, offload_pin: folder = '' }: Admin,
  id: string,
  log: ProcessLogger,
): Promise<(KernelPath & OffloadStatus & { close(): void }) | undefined> {
  const pins = folder === '' ? undefined : { folder, id, log };
  if (offload !== 'init') {
    if (pins) await removePins(pins);
    return undefined;
  }
  const [{ findMissing, openOffloadEngine, openSpliceEngine }, { OffloadPolicy }, { SplicePath }, { KernelPaths }] =
    await Promise.all([
      import('./offload/index.ts'),
      import('./offload/policy.ts'),
      import('./offload/splice-path.ts'),
      import('./offload/kernel-paths.ts'),
    ]);
  const { missing, there } = findMissing(interfaces);
  if (missing.length > 0) {
    // They may come later.
    log.warn({ missing, interfaces: there }, 'admin.offload_ifs names interfaces that are not there');
  }
  const options = interfaces.length > 0 ? { interfaces } : {};
  const datagrams = new OffloadPolicy(await openOffloadEngine({ ...options, pins }), log);
  const connections = new SplicePath(await openSpliceEngine(options), log);
  return new KernelPaths(datagrams, connections);
}

/** What leads other programs' sessions here; undefined where nobody asks for it. */
export async function openCapture({ capture }: Admin, log: ProcessLogger): Promise<OpenCapture | undefined> {
  if (capture === undefined) return undefined;
  const { openCapture: open } = await import('./capture/index.ts');
  return open(capture, log);
}

/** For those who only look whether a configuration would do. */
export const NO_CAPTURE: OpenCapture = {
  open: () => () => undefined,
  original: () => undefined,
  close: () => undefined,
};

/** Nothing is to be relayed by the kernel any more; where that can't be had, the proxy does its work nevertheless. */
async function removePins(pins: PinOptions): Promise<void> {
  const { removePins: remove } = await import('./offload/index.ts');
  try {
    await remove(pins);
  } catch (error) {
    pins.log.error(
      { path: pins.folder, error: ProxyError.from(error).message },
      'what an earlier process has left in the kernel can not be removed',
    );
  }
}
