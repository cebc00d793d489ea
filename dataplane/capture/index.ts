/** Opens what captures, or says why nothing is captured. */
import type { Capture } from '../../gen/l7mp/config/v1/types.ts';
import type { Logger } from '../../common/log.ts';
import type { CaptureTable } from '../core/capture.ts';
import { readObject, refusalOf } from '../kernel/program-file.ts';

export type OpenCapture = CaptureTable & { close(): void };

/** It never rejects: without privileges, on other systems and on old kernels a line of the log says why, and nothing comes. */
export async function openCapture(capture: Capture, log: Logger): Promise<OpenCapture> {
  try {
    // System calls are there on some platforms only.
    const [{ CaptureEngine }, { parseObjectFile }] = await Promise.all([
      import('./engine.ts'),
      import('../kernel/object-file.ts'),
    ]);
    return new CaptureEngine(parseObjectFile(readObject('capture')), capture, { log });
  } catch (error) {
    log.warn({ reason: refusalOf(error, 'capture').message }, 'nothing is captured: traffic goes where it says');
    return NOTHING;
  }
}

const NOTHING: OpenCapture = {
  open: () => () => undefined,
  original: () => undefined,
  close() {
    // Nothing is open.
  },
};
