/** The ports that packets of flows are for, as programs know them: packets for others are looked at no further. */
import { systemError } from '../sockets/native/libc.ts';
import { MapWriter } from '../kernel/bpf.ts';
import { KEY, PORTS_SIZE } from './layout.ts';

export class Ports {
  private readonly map: MapWriter;
  /** `struct ports` */
  private readonly bits = Buffer.alloc(PORTS_SIZE);
  /** Flows, by port. */
  private readonly flows = new Map<number, number>();

  constructor(fd: number) {
    this.map = new MapWriter(fd, 4, PORTS_SIZE);
  }

  /** There will be a flow with this key. @throws ProxyError */
  add(key: Buffer): void {
    if (this.count(key, 1) === 1) this.write();
  }

  /** There is none any more. @throws ProxyError */
  remove(key: Buffer): void {
    if (this.count(key, -1) === 0) this.write();
  }

  /** There are flows with these keys, and no others. @throws ProxyError */
  reset(keys: readonly Buffer[]): void {
    this.flows.clear();
    this.bits.fill(0);
    for (const key of keys) this.count(key, 1);
    this.write();
  }

  private count(key: Buffer, change: 1 | -1): number {
    // As programs read it: in network order, by a CPU that is little endian.
    const port = key.readUInt16LE(KEY.destinationPort);
    const count = (this.flows.get(port) ?? 0) + change;
    const [byte, bit] = [port >> 3, 1 << (port & 7)];
    if (count > 0) {
      this.flows.set(port, count);
      this.bits.writeUInt8(this.bits.readUInt8(byte) | bit, byte);
    } else {
      this.flows.delete(port);
      this.bits.writeUInt8(this.bits.readUInt8(byte) & ~bit, byte);
    }
    return count;
  }

  private write(): void {
    const result = this.map.update(0, this.bits);
    if (result < 0) throw systemError('bpf map update', -result);
  }
}
