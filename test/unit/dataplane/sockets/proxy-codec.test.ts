import { expect } from 'chai';
import fc from 'fast-check';
import type { Ends } from '../../../../dataplane/sockets/addresses.ts';
import { formatProxyHeader, parseProxyHeader, type ProxyHeader } from '../../../../dataplane/sockets/proxy-codec.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';

/** A header of version 2, of its parts in hexadecimal. */
function v2(versionCommand: string, protocol: string, rest: string): Buffer {
  const length = (rest.length / 2).toString(16).padStart(4, '0');
  return Buffer.from(SIGNATURE + versionCommand + protocol + length + rest, 'hex');
}

function parsed(bytes: Buffer): ProxyHeader {
  const header = parseProxyHeader(bytes);
  if (header === 'incomplete' || header === 'absent') throw new Error(`the header is ${header}`);
  return header;
}

const line = (text: string): ProxyHeader => parsed(Buffer.from(text, 'latin1'));

const ends = (address: fc.Arbitrary<string>): fc.Arbitrary<Ends> =>
  fc.record({
    srcAddress: address,
    dstAddress: address,
    srcPort: fc.nat({ max: 65535 }),
    dstPort: fc.nat({ max: 65535 }),
  });

/** IPv6 as the kernel writes it: what is read back is the same text. */
const ipv6 = fc
  .array(fc.oneof(fc.constant(0), fc.nat({ max: 65535 })), { minLength: 8, maxLength: 8 })
  .map((groups) => new URL(`http://[${groups.map((group) => group.toString(16)).join(':')}]`).hostname.slice(1, -1))
  .filter((address) => !/^::(?:ffff:)?[\da-f]+:[\da-f]+$/u.test(address)); // written with dots, or plainly

describe('the PROXY protocol', () => {
  describe('version 1', () => {
    it('tells both ends, of IPv4 and of IPv6', () => {
      expect(line('PROXY TCP4 10.0.0.1 10.0.0.2 5000 80\r\nGET')).to.deep.equal({
        version: 1,
        length: 38,
        ends: { srcAddress: '10.0.0.1', dstAddress: '10.0.0.2', srcPort: 5000, dstPort: 80 },
        tlvs: {},
      });
      expect(line('PROXY TCP6 2001:DB8:0:0:0:0:0:1 ::1 5000 80\r\n').ends).to.deep.equal({
        srcAddress: '2001:db8::1',
        dstAddress: '::1',
        srcPort: 5000,
        dstPort: 80,
      });
    });

    it('takes an unknown client, and believes nothing else of its line', () => {
      expect(line('PROXY UNKNOWN\r\n').ends).to.equal(undefined);
      expect(line('PROXY UNKNOWN ffff:f...f:ffff 10.0.0.1 65535 65535\r\n').ends).to.equal(undefined);
    });

    for (const [what, text] of Object.entries({
      'another family': 'PROXY UDP4 10.0.0.1 10.0.0.2 1 2\r\n',
      'addresses of the other family': 'PROXY TCP4 ::1 ::1 1 2\r\n',
      'a name for an address': 'PROXY TCP4 localhost 10.0.0.2 1 2\r\n',
      'a zone': 'PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n',
      'a port too high': 'PROXY TCP4 10.0.0.1 10.0.0.2 65536 2\r\n',
      'a port with a leading zero': 'PROXY TCP4 10.0.0.1 10.0.0.2 01 2\r\n',
      'no port': 'PROXY TCP4 10.0.0.1 10.0.0.2 1\r\n',
      'more than two ports': 'PROXY TCP4 10.0.0.1 10.0.0.2 1 2 3\r\n',
      'two spaces': 'PROXY TCP4  10.0.0.1 10.0.0.2 1 2\r\n',
      'a line that is too long': `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`,
      'a line without an end': `PROXY ${'x'.repeat(101)}`,
    })) {
      it(`refuses ${what}`, () => {
        expect(() => line(text)).to.throw(/malformed PROXY header: expected .*, found /u);
      });
    }

    it('takes the longest line that the protocol allows', () => {
      expect(line(`PROXY UNKNOWN ${'x'.repeat(91)}\r\n`).length).to.equal(107);
    });
  });

  describe('version 2', () => {
    it('tells both ends and the TLVs', () => {
      const header = parsed(v2('21', '11', '0a0000010a000002138800500200056a6f652e61ea0000'));
      expect(header).to.deep.equal({
        version: 2,
        length: 39,
        ends: { srcAddress: '10.0.0.1', dstAddress: '10.0.0.2', srcPort: 5000, dstPort: 80 },
        tlvs: { '0x02': '6a6f652e61', '0xea': '' },
      });
    });

    it('shows an IPv4 client in IPv6 plainly', () => {
      const rest = `${'0'.repeat(20)}ffff0a000001${'0'.repeat(20)}ffff0a0000021388 0050`.replace(' ', '');
      expect(parsed(v2('21', '21', rest)).ends?.srcAddress).to.equal('10.0.0.1');
    });

    it('takes a sender that speaks for itself, and one of no known family, with whatever follows', () => {
      expect(parsed(v2('20', '11', 'ffff')).ends).to.equal(undefined);
      expect(parsed(v2('20', '00', '')).length).to.equal(16);
      expect(parsed(v2('21', '00', 'ffffff')).tlvs).to.deep.equal({});
    });

    it('takes a client on a UNIX socket, which has no address here', () => {
      const header = parsed(v2('21', '31', `${'2f'.repeat(216)}020001ff`));
      expect(header).to.deep.include({ ends: undefined, tlvs: { '0x02': 'ff' } });
    });

    for (const [what, bytes] of Object.entries({
      'another version': v2('11', '11', '00'.repeat(12)),
      'another command': v2('22', '11', '00'.repeat(12)),
      'another family': v2('21', '41', '00'.repeat(12)),
      'another transport': v2('21', '13', '00'.repeat(12)),
      'addresses that are cut short': v2('21', '11', '00'.repeat(11)),
      'a TLV whose head is cut short': v2('21', '11', `${'00'.repeat(12)}0200`),
      'a TLV whose value is cut short': v2('21', '11', `${'00'.repeat(12)}020002ff`),
      'more bytes than any header needs': Buffer.from(`${SIGNATURE}21111001`, 'hex'),
    })) {
      it(`refuses ${what}`, () => {
        expect(() => parsed(bytes)).to.throw(/malformed PROXY header: expected .*, found /u);
      });
    }

    it('does not wait for the rest of what is wrong already', () => {
      expect(() => parseProxyHeader(Buffer.from(`${SIGNATURE}31`, 'hex'))).to.throw('expected version 2');
    });
  });

  it('reads back what it writes, of any ends, in both versions', () => {
    fc.assert(
      fc.property(
        fc.oneof(ends(fc.ipV4()), ends(ipv6)),
        fc.constantFrom('v1' as const, 'v2' as const),
        (given, version) => {
          expect(parsed(formatProxyHeader(version, given)).ends).to.deep.equal(given);
        },
      ),
    );
  });

  it('writes the bytes of the specification', () => {
    const given = { srcAddress: '10.0.0.1', dstAddress: '10.0.0.2', srcPort: 5000, dstPort: 80 };
    expect(formatProxyHeader('v1', given).toString()).to.equal('PROXY TCP4 10.0.0.1 10.0.0.2 5000 80\r\n');
    expect(formatProxyHeader('v2', given)).to.deep.equal(v2('21', '11', '0a0000010a00000213880050'));
    expect(formatProxyHeader('v1', undefined).toString()).to.equal('PROXY UNKNOWN\r\n');
    expect(formatProxyHeader('v2', undefined)).to.deep.equal(v2('20', '00', ''));
  });

  it('writes ends of two families in IPv6, and link-local ones without their zone', () => {
    const given = { srcAddress: '10.0.0.1', dstAddress: 'fe80::1%eth0', srcPort: 1, dstPort: 2 };
    expect(formatProxyHeader('v1', given).toString()).to.equal('PROXY TCP6 ::ffff:10.0.0.1 fe80::1 1 2\r\n');
    expect(parsed(formatProxyHeader('v2', given)).ends).to.deep.equal({ ...given, dstAddress: 'fe80::1' });
  });

  it('waits for the rest of a header, wherever it is cut', () => {
    const given = { srcAddress: '::1', dstAddress: '::2', srcPort: 1, dstPort: 2 };
    for (const version of ['v1', 'v2'] as const) {
      const header = formatProxyHeader(version, given);
      for (let cut = 0; cut < header.length; cut++) {
        expect(parseProxyHeader(header.subarray(0, cut)), `${version} cut at ${cut}`).to.equal('incomplete');
      }
    }
  });

  it('tells what is no header from its first byte that differs', () => {
    for (const text of ['GET / HTTP/1.1\r\n', 'PROXX', 'proxy ', '\r\n\r\nx', '\0']) {
      expect(parseProxyHeader(Buffer.from(text, 'latin1')), JSON.stringify(text)).to.equal('absent');
    }
  });
});
