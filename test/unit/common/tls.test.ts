import { expect } from 'chai';
import { expiryOf } from '../../../common/tls.ts';
import { selfSigned } from '../../support/self-signed.ts';

const DAY = 86_400_000;

describe('the end of certificates', () => {
  it('is that of the first that ends, wherever it stands', () => {
    const [long, short] = [selfSigned('long', 30).cert, selfSigned('short', 3).cert];
    const expected = Date.now() + 3 * DAY;
    for (const chain of [`${short}\n${long}`, `${long}${short}`, `some text\n${short}`]) {
      expect(expiryOf(chain)).to.be.closeTo(expected, 60_000);
    }
  });

  it('is not known where there are none, or what can not be read', () => {
    expect(expiryOf('')).to.equal(undefined);
    expect(expiryOf('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----')).to.equal(undefined);
  });
});
