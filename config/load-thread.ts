/** The thread of `loadAside`: loads the text that it is started with, and tells what came of it. */
import { parentPort, workerData } from 'node:worker_threads';
import { FaultsError, ProxyError } from '../common/errors.ts';
import type { DecodeOptions } from './decode.ts';
import { loadText } from './load.ts';
import type { ConfigSnapshot } from './snapshot.ts';

/** Errors are told as plain data: a thread's messages keep no classes. */
export type Loaded =
  | { readonly snapshot: ConfigSnapshot }
  | { readonly faults: FaultsError['faults'] }
  | { readonly code: ProxyError['code']; readonly message: string };

const { text, options } = workerData as { readonly text: string; readonly options: DecodeOptions };

parentPort?.postMessage(await load());

async function load(): Promise<Loaded> {
  try {
    return { snapshot: await loadText(text, options) };
  } catch (error) {
    if (error instanceof FaultsError) return { faults: error.faults };
    const { code, message } = ProxyError.from(error);
    return { code, message };
  }
}
