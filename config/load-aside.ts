/** Loads a large text in a thread of its own, so that streams go on meanwhile. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { FaultsError, ProxyError } from '../common/errors.ts';
import type { DecodeOptions } from './decode.ts';
import { loadText } from './load.ts';
import type { Loaded } from './load-thread.ts';
import type { ConfigSnapshot } from './snapshot.ts';

/** In characters: less is read in about the time that a thread takes to start (50 ms). */
const LARGE = 16_384;

/** The thread's file is of the same kind as this one: a source, or what it was built to. */
const THREAD = new URL(import.meta.url.replace(/load-aside(\.\w+)$/u, 'load-thread$1'));

/** @throws FaultsError as `loadText`; ProxyError where the thread fails. */
export async function loadAside(text: string, options: DecodeOptions = {}): Promise<ConfigSnapshot> {
  if (text.length < LARGE) return loadText(text, options);
  const thread = new Worker(THREAD, { workerData: { text, options } });
  try {
    const [loaded] = (await once(thread, 'message')) as [Loaded];
    if ('snapshot' in loaded) return loaded.snapshot;
    throw 'faults' in loaded ? new FaultsError(loaded.faults) : new ProxyError(loaded.code, loaded.message);
  } finally {
    void thread.terminate();
  }
}
