/** Which ports tests may have. */
import { expect } from 'chai';
import { portsToGive } from '../../support/free-port.ts';

describe('ports of tests', () => {
  it('are where the kernel hands out none, as long as there are enough', () => {
    expect(portsToGive('32768\t60999\n')).to.deep.equal([12_000, 32_768]);
    expect(portsToGive('1024\t60999\n')).to.deep.equal([61_000, 65_536]);
    expect(portsToGive('12001\t30000\n')).to.deep.equal([30_001, 65_536]);
    expect(portsToGive('1024\t65535\n')).to.deep.equal([12_000, 65_536]);
    expect(portsToGive('1024\t9000\n')).to.deep.equal([12_000, 65_536]);
  });
});
