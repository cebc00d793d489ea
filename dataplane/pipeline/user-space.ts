/** The kernel's way where there is none: every session stays in user space. */
import type { KernelPath } from '../core/kernel-path.ts';

export const USER_SPACE: KernelPath = {
  mayTake: () => false,
  sweep() {},
  refresh() {},
  measured() {},
  release: () => undefined,
  recall: () => undefined,
  view: () => ({ state: 'user', reason: 'kernel offload is not asked for (admin.offload)' }),
};
