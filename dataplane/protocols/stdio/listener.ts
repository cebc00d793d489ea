/** Stdio, server side: one session, from the start. */
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import { StdioStream } from './stdio-stream.ts';

export function createListener({ name, accept }: ListenerContext<object>): Listener {
  return {
    address: 'stdio',
    start: () => {
      const stream = new StdioStream();
      // After the start of the proxy, so that the session finds its clusters.
      setImmediate(() => accept({ name: `Stdio:${name}`, metadata: { Stdio: { pid: process.pid } }, stream }));
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}
