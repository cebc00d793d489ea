/** Our own kinds (l7mp.io/v1). Types only. */
import type { KubeObject } from './object.ts';

export interface OwnKinds {
  readonly VirtualService: KubeObject;
}
