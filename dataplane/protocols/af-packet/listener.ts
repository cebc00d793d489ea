/** AF_PACKET, server side: one session on the interface; a new one when the interface comes back. */
import type { PacketListener } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import { OverflowTotal } from '../../sockets/overflow-total.ts';
import { openPacketSocket, type PacketSocket } from './packet-socket.ts';

/** Between two looks for the interface, or after a session that ended, in ms. */
const RETRY = 1000;

export function createListener(context: ListenerContext<PacketListener>): Listener {
  return new InterfaceListener(context);
}

class InterfaceListener implements Listener {
  readonly address: string;
  private readonly context: ListenerContext<PacketListener>;
  private readonly dropped = new OverflowTotal();
  private stream: PacketSocket | undefined;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private counter = 0;

  constructor(context: ListenerContext<PacketListener>) {
    this.context = context;
    this.address = context.spec.interface;
  }

  get overflow(): number {
    return this.dropped.value;
  }

  start(): Promise<void> {
    return new Promise((resolve) => {
      const stream = this.open();
      // After the start of the proxy, so that the session finds its clusters.
      this.timer = setTimeout(() => this.offer(stream), 0);
      resolve();
    });
  }

  private open(): PacketSocket {
    const { spec } = this.context;
    this.stream = openPacketSocket(spec.interface, spec, this.dropped, () => this.again());
    return this.stream;
  }

  private offer(stream: PacketSocket): void {
    const { name, spec, accept } = this.context;
    const { interface: device, mode } = spec;
    accept({
      name: `AF_PACKET:${name}-${this.counter++}`,
      metadata: { AF_PACKET: { interface: device, mode, ethertype: spec.ethertype } },
      stream,
    });
  }

  private again(): void {
    if (!this.closed) this.timer = setTimeout(() => this.reopen(), RETRY);
  }

  private reopen(): void {
    const { name, log } = this.context;
    try {
      this.offer(this.open());
    } catch (error) {
      log.debug({ listener: name, error: ProxyError.from(error).message }, 'the interface is not back yet');
      this.again();
    }
  }

  /** The socket is that of the sessions, too. */
  drain(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    this.stream?.destroy(new ProxyError('LISTENER_CLOSED', `listener ${this.context.name} was closed`));
    return Promise.resolve();
  }
}
