import { expect } from 'chai';
import fc from 'fast-check';
import koffi from 'koffi';
import { ProxyError } from '../../../../../common/errors.ts';
import { EVENT_SIZE } from '../../../../../dataplane/sockets/native/poller.ts';
import {
  decodeInet,
  decodeUnix,
  encodeInet,
  encodeLink,
  encodeUnix,
  INET6_SIZE,
  INET_SIZE,
  LINK_SIZE,
  parseLinkAddress,
  UNIX_SIZE,
} from '../../../../../dataplane/sockets/native/sockaddr.ts';

const codeOf = (call: () => unknown): string => {
  try {
    call();
  } catch (error) {
    return error instanceof ProxyError ? error.code : String(error);
  }
  return 'OK';
};

describe('socket addresses in bytes', () => {
  it('have the sizes that the C compiler gives them', () => {
    const chars = (count: number): ReturnType<typeof koffi.array> => koffi.array('uint8_t', count);
    const un = koffi.struct({ family: 'uint16_t', path: chars(108) });
    const inet = koffi.struct({ family: 'uint16_t', port: 'uint16_t', address: 'uint32_t', zero: chars(8) });
    const inet6 = koffi.struct({
      family: 'uint16_t',
      port: 'uint16_t',
      flow: 'uint32_t',
      address: chars(16),
      scope: 'uint32_t',
    });
    const link = koffi.struct({
      family: 'uint16_t',
      protocol: 'uint16_t',
      index: 'int32_t',
      hardware: 'uint16_t',
      type: 'uint8_t',
      length: 'uint8_t',
      address: chars(8),
    });
    const event = { events: 'uint32_t', data: 'uint64_t' };
    expect([un, inet, inet6, link].map((type) => koffi.sizeof(type))).to.deep.equal([
      UNIX_SIZE,
      INET_SIZE,
      INET6_SIZE,
      LINK_SIZE,
    ]);
    expect(koffi.sizeof(process.arch === 'x64' ? koffi.pack(event) : koffi.struct(event))).to.equal(EVENT_SIZE);
    expect(koffi.offsetof(link, 'address')).to.equal(12);
  });

  it('hold a path with the zero behind it', () => {
    expect(encodeUnix('/a').toString('hex')).to.equal('01002f6100');
  });

  it('hold an abstract name with the zero before it, as long as it is', () => {
    expect(encodeUnix('@ab').toString('hex')).to.equal('0100006162');
  });

  it('take a path of 107 bytes, and none of 108', () => {
    expect(encodeUnix('x'.repeat(107))).to.have.length(UNIX_SIZE);
    expect(codeOf(() => encodeUnix('x'.repeat(108)))).to.equal('INVALID_CONFIG');
    expect(codeOf(() => encodeUnix('é'.repeat(54)))).to.equal('INVALID_CONFIG');
  });

  it('refuse no name and a zero in it', () => {
    for (const path of ['', '@', 'a\0b', '@a\0b']) expect(codeOf(() => encodeUnix(path))).to.equal('INVALID_CONFIG');
  });

  it('read a path that fills the address without a zero', () => {
    expect(decodeUnix(Buffer.concat([Buffer.from([1, 0]), Buffer.alloc(108, 0x61)]))).to.equal('a'.repeat(108));
  });

  it('read a socket without a name as the empty string', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from([1, 0])]) expect(decodeUnix(bytes)).to.equal('');
  });

  it('give every path back', () => {
    const name = fc.string({ minLength: 1, maxLength: 30, unit: 'grapheme' });
    fc.assert(
      fc.property(name, fc.boolean(), (text, abstract) => {
        fc.pre(!text.includes('\0') && !text.startsWith('@') && Buffer.byteLength(text) <= 107);
        const path = abstract ? `@${text}` : text;
        expect(decodeUnix(encodeUnix(path))).to.equal(path);
      }),
    );
  });

  it('give every IPv4 address back', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.nat(65535), (address, port) => {
        expect(decodeInet(encodeInet(address, port))).to.deep.equal({ address, port });
      }),
    );
  });

  it('give every IPv6 address back in the short form', () => {
    fc.assert(
      fc.property(fc.ipV6(), fc.nat(65535), (address, port) => {
        const bytes = encodeInet(address, port);
        const decoded = decodeInet(bytes)!;
        expect(decoded.port).to.equal(port);
        if (decoded.address.includes(':')) expect(encodeInet(decoded.address, port)).to.deep.equal(bytes);
        else expect(bytes.subarray(18, 20).toString('hex')).to.equal('ffff');
      }),
    );
  });

  for (const [address, hex] of [
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['fe80::', 'fe800000000000000000000000000000'],
    ['2001:db8::8:800:200c:417a', '20010db80000000000080800200c417a'],
    ['::ffff:10.1.2.3', '00000000000000000000ffff0a010203'],
    ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
  ] as const) {
    it(`write ${address} as RFC 4291 says`, () => {
      expect(encodeInet(address, 0).subarray(8, 24).toString('hex')).to.equal(hex);
    });
  }

  it('show an IPv4 client of an IPv6 socket by its plain address', () => {
    expect(decodeInet(encodeInet('::ffff:10.1.2.3', 9))).to.deep.equal({ address: '10.1.2.3', port: 9 });
  });

  it('keep the zone of a link-local address', () => {
    const bytes = encodeInet('fe80::1%eth7', 1, (zone) => (zone === 'eth7' ? 7 : 0));
    expect(decodeInet(bytes)).to.deep.equal({ address: 'fe80::1%7', port: 1 });
  });

  it('refuse what is no IP address', () => {
    for (const address of ['', 'localhost', '1.2.3', '1.2.3.256', '::g', '1::2::3']) {
      expect(
        codeOf(() => encodeInet(address, 1)),
        address,
      ).to.equal('INVALID_CONFIG');
    }
  });

  it('say a place on a link as the kernel has it (struct sockaddr_ll)', () => {
    const station = fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.nat(0x7fffffff), fc.nat(65535), station, (index, protocol, address) => {
        const bytes = encodeLink({ index, protocol, address });
        expect(bytes).to.have.length(LINK_SIZE);
        expect(bytes.readUInt16BE(2)).to.equal(protocol);
        expect(bytes.readInt32LE(4)).to.equal(index);
        expect(bytes.subarray(12, 12 + bytes.readUInt8(11))).to.deep.equal(address);
      }),
    );
  });

  it('read and write link-layer addresses', () => {
    expect(parseLinkAddress('2:0-00:aB:cd:EF').toString('hex')).to.equal('020000abcdef');
    for (const text of ['', '02:00:00:00:00', '02:00:00:00:00:00:00', '02:00:00:00:00:0g', '020000000000']) {
      expect(
        codeOf(() => parseLinkAddress(text)),
        text,
      ).to.equal('INVALID_CONFIG');
    }
  });
});
