/** JSONEncap: one object for each datagram, or each chunk of a byte stream. */
import type { Connector } from '../../core/protocol.ts';
import { TransformStream } from '../../core/transform-stream.ts';
import { createEncoder } from './codec.ts';

export function createConnector(): Connector {
  return {
    connect: ({ metadata }) => {
      const encode = createEncoder(metadata);
      return new TransformStream({
        framing: 'datagrams',
        data(chunk, _text, emit) {
          emit(encode(chunk), true);
        },
      });
    },
  };
}
