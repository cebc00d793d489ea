/** Networks, places and ranges of ports, as configuration writes them. */
import { expect } from 'chai';
import { parseAddressPort, parseCidr, parsePortRange } from '../../../common/networks.ts';

describe('networks', () => {
  it('are addresses, with how many bits count', () => {
    expect(parseCidr('10.0.0.0/8')).to.deep.equal({ address: '10.0.0.0', bits: 8 });
    expect(parseCidr('fd00::/8')).to.deep.equal({ address: 'fd00::', bits: 8 });
    expect(parseCidr('0.0.0.0/0')).to.deep.equal({ address: '0.0.0.0', bits: 0 });
    expect(parseCidr('10.0.0.1')).to.deep.equal({ address: '10.0.0.1', bits: 32 });
    expect(parseCidr('::1')).to.deep.equal({ address: '::1', bits: 128 });
    for (const text of ['', '10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/8/8', 'x/8', '10.0.0/8', 'fe80::1%lo/8']) {
      expect(parseCidr(text), text).to.equal(undefined);
    }
  });
});

describe('ranges of ports', () => {
  it('are one, or several, of a transport or of both', () => {
    const both = ['tcp', 'udp'];
    expect(parsePortRange('80')).to.deep.equal({ first: 80, last: 80, transports: both });
    expect(parsePortRange('8000-8999/tcp')).to.deep.equal({ first: 8000, last: 8999, transports: ['tcp'] });
    expect(parsePortRange('*')).to.deep.equal({ first: 1, last: 65_535, transports: both });
    expect(parsePortRange('*/udp')).to.deep.equal({ first: 1, last: 65_535, transports: ['udp'] });
    for (const text of ['', '0', '65536', '90-80', '80/sctp', '80-', '-80', '*-80', '8 0']) {
      expect(parsePortRange(text), text).to.equal(undefined);
    }
  });
});

describe('an address with a port', () => {
  it('is of either family, and whole', () => {
    expect(parseAddressPort('10.0.0.1:80')).to.deep.equal({ address: '10.0.0.1', port: 80 });
    expect(parseAddressPort('[fd00::1]:65535')).to.deep.equal({ address: 'fd00::1', port: 65_535 });
    for (const text of [
      '',
      '10.0.0.1',
      '10.0.0.1:',
      ':80',
      '10.0.0.1:0',
      '10.0.0.1:65536',
      'host:80',
      '10.0.0.1:80:80',
    ]) {
      expect(parseAddressPort(text), text).to.equal(undefined);
    }
    for (const text of ['fd00::1', 'fd00::1:80', '[fd00::1]', '[10.0.0.1]:80', '[fe80::1%lo]:80', '[::1]:x', '[]:80']) {
      expect(parseAddressPort(text), text).to.equal(undefined);
    }
  });
});
