/** Stdio, server side: one session, from the start. */
import { ProxyError } from '../../../common/errors.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import { StdioStream } from './stdio-stream.ts';

export function createListener({ name, accept }: ListenerContext<object>): Listener {
  let waiting: { readonly stream: StdioStream; readonly immediate: NodeJS.Immediate } | undefined;
  return {
    address: 'stdio',
    start: () =>
      new Promise((resolve) => {
        const stream = new StdioStream();
        // After the start of the proxy, so that the session finds its clusters.
        const immediate = setImmediate(() => {
          waiting = undefined;
          accept({ name: `Stdio:${name}`, metadata: { Stdio: { pid: process.pid } }, stream });
        });
        waiting = { stream, immediate };
        resolve();
      }),
    /** The session goes on: standard input and output are its own. */
    close: () => {
      clearImmediate(waiting?.immediate);
      waiting?.stream.destroy(new ProxyError('LISTENER_CLOSED', `listener ${name} was closed`));
      return Promise.resolve();
    },
  };
}
