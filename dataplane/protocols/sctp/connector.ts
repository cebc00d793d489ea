/** SCTP, client side: an association for each session. */
import type { SctpCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Connector, ConnectorContext, Target } from '../../core/protocol.ts';
import { formatAddress } from '../../sockets/addresses.ts';
import {
  bind,
  close,
  connect,
  EINPROGRESS,
  EPOLLOUT,
  getOption,
  SO_ERROR,
  SOL_SOCKET,
  systemError,
} from '../../sockets/native/libc.ts';
import { watch } from '../../sockets/native/poller.ts';
import { Association, openSctp, sctpAddress } from './association.ts';

export function createConnector(_context: ConnectorContext<SctpCluster>): Connector {
  return {
    connect: async ({ target, signal }) => {
      const where = formatAddress(target.address, target.port);
      const fd = openSctp(target.address);
      try {
        bindTo(fd, target);
        await establish(fd, sctpAddress(target.address, target.port), where, signal);
      } catch (error) {
        close(fd);
        throw error;
      }
      return new Association(fd, where);
    },
  };
}

function bindTo(fd: number, { address, bind: local }: Target): void {
  if (local === undefined) return;
  const host = local.address ?? (address.includes(':') ? '::' : '0.0.0.0');
  const port = local.port ?? 0;
  bind(fd, sctpAddress(host, port), formatAddress(host, port));
}

/** Resolves when the association stands: the socket is writable then, and says how it went. */
function establish(fd: number, address: Buffer, where: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) throw ProxyError.from(signal.reason, 'CONNECT_FAILED');
    const failure = (errno: number): ProxyError => systemError(`connecting to ${where}`, errno, 'CONNECT_FAILED');
    const result = connect(fd, address);
    if (result === 0) {
      resolve();
      return;
    }
    if (result !== -EINPROGRESS) throw failure(-result);
    const settle = (): void => {
      waiting.close();
      signal.removeEventListener('abort', abort);
    };
    const waiting = watch(fd, () => {
      settle();
      const errno = getOption(fd, SOL_SOCKET, SO_ERROR).readInt32LE();
      if (errno === 0) resolve();
      else reject(failure(errno));
    });
    const abort = (): void => {
      settle();
      reject(ProxyError.from(signal.reason, 'CONNECT_FAILED'));
    };
    waiting.want(EPOLLOUT);
    signal.addEventListener('abort', abort, { once: true });
  });
}
