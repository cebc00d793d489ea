/** Echo: sends back what it is sent. */
import type { Protocol } from '../../core/protocol.ts';
import { TransformStream } from '../../core/transform-stream.ts';

export const protocol: Protocol = {
  name: 'Echo',
  local: true,
  connector: () => ({
    transparent: true,
    connect: () =>
      new TransformStream({
        data: (chunk, text, emit) => {
          emit(chunk, text);
        },
      }),
  }),
};
