import { expect } from 'chai';
import { isLoopback } from '../../../common/loopback.ts';

describe('An address that only this machine reaches', () => {
  for (const host of [
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '[::1]',
    '::ffff:127.0.0.1',
    '[::FFFF:127.1.2.3]',
    'localhost',
    'LocalHost',
  ]) {
    it(`is ${host}`, () => expect(isLoopback(host)).to.equal(true));
  }

  for (const host of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '::ffff:10.0.0.1',
    'example.org',
    '127.0.0.1.example.org',
    '127.1',
    '::ffff:localhost',
    '',
  ]) {
    it(`is not ${JSON.stringify(host)}`, () => expect(isLoopback(host)).to.equal(false));
  }
});
