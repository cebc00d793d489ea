/** The object that JSONEncap makes of a datagram: `{"metadata": …, "payload": "base64"}`. */
import type { Metadata } from '../../core/session.ts';

/** Makes objects with the same metadata, which is written out once. Later changes of it are not seen. */
export function createEncoder(metadata: Metadata): (payload: Buffer) => Buffer {
  const head = Buffer.from(`{"metadata":${JSON.stringify(metadata)},"payload":"`);
  return (payload) => {
    const size = Math.ceil(payload.length / 3) * 4;
    const object = Buffer.allocUnsafe(head.length + size + 2);
    head.copy(object);
    object.write(payload.toString('base64'), head.length, 'latin1');
    object.write('"}', head.length + size, 'latin1');
    return object;
  };
}
