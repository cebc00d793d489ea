/** shim */
import type { Logger } from '../../dataplane/core/log.ts';
import type { Store } from '../core/store.ts';
import { openEmbedded } from './embedded/store.ts';

export async function openStore(url: string, log: Logger): Promise<Store> {
  return openEmbedded(url.replace('embedded:', ''), log);
}
export async function backup(): Promise<void> {}
export async function restore(): Promise<void> {}
