import { expect } from 'chai';
import fc from 'fast-check';
import { etherTypeOf, vlanTagOf, withTag } from '../../../../../dataplane/protocols/af-packet/codec.ts';

/** What the kernel puts beside a frame: `struct cmsghdr` and `struct tpacket_auxdata`. */
function auxdata({ level = 263, type = 8, status = 0x51, tci = 100, tpid = 0x8100 } = {}): Buffer {
  const bytes = Buffer.alloc(40);
  bytes.writeBigUInt64LE(36n, 0);
  bytes.writeInt32LE(level, 8);
  bytes.writeInt32LE(type, 12);
  bytes.writeUInt32LE(status, 16);
  bytes.writeUInt16LE(tci, 32);
  bytes.writeUInt16LE(tpid, 34);
  return bytes;
}

describe('AF_PACKET: what the kernel tells beside a frame', () => {
  it('holds the VLAN tag that it took out', () => {
    expect(vlanTagOf(auxdata({ tci: 0x2064 }))?.toString('hex')).to.equal('81002064');
    expect(vlanTagOf(auxdata({ tpid: 0x88a8 }))?.toString('hex')).to.equal('88a80064');
  });

  it('means 802.1Q where it names no tag type', () => {
    expect(vlanTagOf(auxdata({ status: 0x10, tpid: 0 }))?.toString('hex')).to.equal('81000064');
  });

  it('has no tag where none was', () => {
    expect(vlanTagOf(auxdata({ status: 0x1 }))).to.equal(undefined);
    expect(vlanTagOf(auxdata({ level: 1 }))).to.equal(undefined);
    expect(vlanTagOf(auxdata({ type: 2 }))).to.equal(undefined);
  });

  it('may be cut anywhere', () => {
    for (let length = 0; length < 36; length++) expect(vlanTagOf(auxdata().subarray(0, length))).to.equal(undefined);
  });

  it('is put back behind both addresses', () => {
    const frame = Buffer.from('aaaaaaaaaaaabbbbbbbbbbbb0800cafe', 'hex');
    expect(withTag(frame, Buffer.from('81000064', 'hex')).toString('hex')).to.equal(
      'aaaaaaaaaaaabbbbbbbbbbbb810000640800cafe',
    );
  });

  it('leaves frames that are too short for addresses alone', () => {
    const frame = Buffer.alloc(11);
    expect(withTag(frame, Buffer.alloc(4))).to.equal(frame);
  });
});

describe('AF_PACKET: the EtherType of a packet', () => {
  it('is that of its IP version, and nothing for what is no IP', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4 }), (bytes) => {
        const expected = { 4: 0x0800, 6: 0x86dd }[(bytes[0] ?? 0) >> 4] ?? 0;
        expect(etherTypeOf(Buffer.from(bytes))).to.equal(expected);
      }),
    );
  });
});
