/** What the kernel tells beside a frame, and what it leaves out of it (uapi/linux/if_packet.h). Pure. */
import { CONTROL } from '../../sockets/native/message-headers.ts';

const SOL_PACKET = 263;
const PACKET_AUXDATA = 8;
/** `struct tpacket_auxdata` */
const AUXDATA_SIZE = 20;
const STATUS = 0;
const VLAN_TCI = 16;
const VLAN_TPID = 18;
const TP_STATUS_VLAN_VALID = 0x10;
const TP_STATUS_VLAN_TPID_VALID = 0x40;

const ETH_P_8021Q = 0x8100;
const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;

/** Both stations' addresses: the tag stands behind them. */
const ADDRESSES = 12;

/** The VLAN tag that was taken out of a frame, as the four bytes that it was; undefined where there was none. */
export function vlanTagOf(control: Buffer): Buffer | undefined {
  if (control.length < CONTROL.size + AUXDATA_SIZE) return undefined;
  if (control.readInt32LE(CONTROL.level) !== SOL_PACKET || control.readInt32LE(CONTROL.type) !== PACKET_AUXDATA)
    return undefined;
  const status = control.readUInt32LE(CONTROL.size + STATUS);
  if ((status & TP_STATUS_VLAN_VALID) === 0) return undefined;
  const tag = Buffer.alloc(4);
  const hasType = (status & TP_STATUS_VLAN_TPID_VALID) !== 0;
  tag.writeUInt16BE(hasType ? control.readUInt16LE(CONTROL.size + VLAN_TPID) : ETH_P_8021Q, 0);
  tag.writeUInt16BE(control.readUInt16LE(CONTROL.size + VLAN_TCI), 2);
  return tag;
}

/** The frame as it was on the wire. */
export function withTag(frame: Buffer, tag: Buffer): Buffer {
  if (frame.length < ADDRESSES) return frame;
  return Buffer.concat([frame.subarray(0, ADDRESSES), tag, frame.subarray(ADDRESSES)]);
}

/** The EtherType of an IP packet by its version (RFC 791, RFC 8200); 0 where it is none. */
export function etherTypeOf(packet: Buffer): number {
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4) return ETH_P_IP;
  return version === 6 ? ETH_P_IPV6 : 0;
}
