/** Both ends of UDP load, in one process: a generator in the client's namespace, a sink in the server's. */
import { countKernelSessions, untilInKernel } from '../kernel-sessions.ts';
import { connect, enterNamespace, MessageBatch, setOption, SOL_UDP, UDP_SEGMENT, udpSocket } from './syscalls.ts';

export interface UdpPlaces {
  readonly clientNamespace: string;
  readonly serverNamespace: string;
  readonly clientAddress: string;
  readonly targetAddress: string;
  readonly targetPort: number;
  readonly serverAddress: string;
  readonly serverPort: number;
  /** Nothing is measured before the proxy in this namespace has given its flows to the kernel. */
  readonly offloadedIn?: string;
}

/** How long flows go on between two looks at whether the kernel has them. */
const LOOK_MS = 200;

export const PAYLOAD = 64;
/**
 * Packets of a flow in a row, which the kernel cuts from one buffer (UDP_SEGMENT): handed over one by one they would cost
 * the generator's core more than relaying them costs the proxy's.
 */
export const TRAIN = 8;

export class UdpEnds {
  readonly server: number;
  readonly arrivals = new MessageBatch(512, PAYLOAD, true);
  readonly train = new MessageBatch(1, PAYLOAD * TRAIN);
  private readonly places: UdpPlaces;

  constructor(places: UdpPlaces) {
    this.places = places;
    enterNamespace(places.serverNamespace);
    this.server = udpSocket(places.serverAddress, places.serverPort);
    enterNamespace(places.clientNamespace);
  }

  /** Has flows of ports from `first` on speak, `run` ms at a time, until those are the kernel's that are to be. */
  async warmUp(first: number, count: number, run: (milliseconds: number) => void): Promise<void> {
    const { offloadedIn } = this.places;
    if (offloadedIn === undefined) return;
    const look = (): number => countKernelSessions(offloadedIn, [first, first + count]);
    await untilInKernel(count, look, () => run(LOOK_MS));
    run(LOOK_MS);
  }

  /** A client's socket. */
  open(port: number): number {
    const fd = udpSocket(this.places.clientAddress, port);
    connect(fd, this.places.targetAddress, this.places.targetPort);
    return fd;
  }

  /** One that takes trains. */
  openFlow(port: number): number {
    const fd = this.open(port);
    setOption(fd, SOL_UDP, UDP_SEGMENT, PAYLOAD);
    return fd;
  }
}
