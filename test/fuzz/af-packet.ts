/** Fuzz target: what the kernel says beside a frame, and frames of any length. */
import { etherTypeOf, vlanTagOf, withTag } from '../../dataplane/protocols/af-packet/codec.ts';
import { mutations } from './inputs.ts';

/** `struct cmsghdr` and `struct tpacket_auxdata` of a frame with VLAN 5. */
const AUXDATA = Buffer.from('24000000000000000701000008000000' + '500000003c0000003c00000000000e0005000081', 'hex');

export const inputs = mutations([AUXDATA, AUXDATA.subarray(0, 30), Buffer.from('45000014', 'hex'), Buffer.alloc(60)]);

export function fuzz(data: Buffer): void {
  const tag = vlanTagOf(data);
  if (tag !== undefined) {
    if (tag.length !== 4) throw new Error(`expected a tag of 4 bytes, found ${tag.length}`);
    const tagged = withTag(data, tag);
    const untagged = Buffer.concat([tagged.subarray(0, 12), tagged.subarray(16)]);
    if (!untagged.equals(data)) throw new Error('expected the frame around its tag');
  }
  if (data.length < 12 && !withTag(data, Buffer.alloc(4)).equals(data)) throw new Error('expected no tag in a stump');
  const expected = { 4: 0x0800, 6: 0x86dd }[(data[0] ?? 0) >> 4] ?? 0;
  if (etherTypeOf(data) !== expected) throw new Error(`expected EtherType ${expected}, found ${etherTypeOf(data)}`);
}
