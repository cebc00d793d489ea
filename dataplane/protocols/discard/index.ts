/** Discard: drops what it is sent. */
import type { Protocol } from '../../core/protocol.ts';
import { TransformStream } from '../../core/transform-stream.ts';

export const protocol: Protocol = {
  name: 'Discard',
  local: true,
  connector: () => ({ connect: () => new TransformStream({ data: () => undefined }) }),
};
