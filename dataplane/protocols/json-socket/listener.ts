/** JSONSocket, server side: a session for each session of the transport that begins with a header. */
import type { JsonSocketListener } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import type { Incoming } from '../../core/session.ts';
import { traceOfHeader } from './codec.ts';
import { ServerStream } from './server-stream.ts';

/** Sessions of the transport that may wait for their header at once; further ones are closed. */
const MAX_WAITING = 4096;

export function createListener(context: ListenerContext<JsonSocketListener>): Listener {
  const { name, spec, accept, log } = context;
  const waiting = new Set<ServerStream>();
  let counter = 0;
  const take = ({ metadata, stream: transport }: Incoming): boolean => {
    if (waiting.size >= MAX_WAITING) {
      log.warn({ listener: name, waiting: waiting.size }, 'too many sessions wait for their JSONSocket header');
      transport.destroy();
      return false;
    }
    const stream = new ServerStream(transport, spec, {
      header: (header) => {
        waiting.delete(stream);
        accept({
          name: `JSONSocket:${name}-${counter++}`,
          metadata: { ...metadata, JSONSocket: header },
          stream,
          traceOf: traceOfHeader,
        });
      },
      refused: ({ status, message }) => {
        waiting.delete(stream);
        log.debug({ listener: name, status }, message);
      },
      closed: () => waiting.delete(stream),
    });
    waiting.add(stream);
    stream.start();
    return true;
  };
  const transport = context.listen(spec.transport_spec, take);
  return {
    get address() {
      return transport.address;
    },
    get overflow() {
      return transport.overflow;
    },
    get certificateExpiry() {
      return transport.certificateExpiry;
    },
    start: () => transport.start(),
    drain: () => (transport.drain ? transport.drain() : transport.close()),
    close: async () => {
      const reason = new ProxyError('LISTENER_CLOSED', `listener ${name} was closed`);
      for (const stream of waiting) stream.destroy(reason);
      await transport.close();
    },
  };
}
