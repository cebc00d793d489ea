/** SCTP, server side: a session for each association. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { SctpListener } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import { type Ends, endsMetadata, formatAddress, sessionName } from '../../sockets/addresses.ts';
import { Acceptor } from '../../sockets/native/acceptor.ts';
import {
  bind,
  close,
  getPeerName,
  getSocketName,
  listen,
  setOption,
  SO_REUSEADDR,
  SOL_SOCKET,
} from '../../sockets/native/libc.ts';
import { decodeInet } from '../../sockets/native/sockaddr.ts';
import { Association, openSctp, sctpAddress } from './association.ts';

/** Associations that may wait to be accepted; the system's net.core.somaxconn is a limit, too. */
const BACKLOG = 4096;

const NOWHERE = { address: '', port: 0 };

export function createListener(context: ListenerContext<SctpListener>): Listener {
  return new AssociationListener(context);
}

class AssociationListener implements Listener {
  address = '';
  private readonly context: ListenerContext<SctpListener>;
  private acceptor: Acceptor | undefined;

  constructor(context: ListenerContext<SctpListener>) {
    this.context = context;
  }

  async start(): Promise<void> {
    const { name, spec, log, refused } = this.context;
    const host = isIP(spec.address) === 0 ? await resolve(spec.address) : spec.address;
    const fd = openSctp(host);
    try {
      setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
      bind(fd, sctpAddress(host, spec.port), formatAddress(host, spec.port));
      listen(fd, BACKLOG);
      const local = decodeInet(getSocketName(fd)) ?? NOWHERE;
      this.address = formatAddress(local.address, local.port);
      this.acceptor = new Acceptor({ fd, name, log, refused, onConnection: (connection) => this.take(connection) });
    } catch (error) {
      close(fd);
      throw ProxyError.from(error);
    }
  }

  private take(fd: number): void {
    let ends: Ends;
    try {
      ends = endsOf(fd);
    } catch {
      close(fd); // gone before it was accepted
      return;
    }
    this.context.accept({
      name: sessionName('SCTP', ends),
      metadata: endsMetadata('SCTP', ends),
      stream: new Association(fd, formatAddress(ends.srcAddress, ends.srcPort)),
    });
  }

  /** Associations live on with their sessions. */
  close(): Promise<void> {
    this.acceptor?.close();
    return Promise.resolve();
  }
}

function endsOf(fd: number): Ends {
  const source = decodeInet(getPeerName(fd)) ?? NOWHERE;
  const local = decodeInet(getSocketName(fd)) ?? NOWHERE;
  return { srcAddress: source.address, srcPort: source.port, dstAddress: local.address, dstPort: local.port };
}

async function resolve(host: string): Promise<string> {
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw ProxyError.from(error, 'HOST_NOT_FOUND');
  }
}
