import { expect } from 'chai';
import { listeningFaults } from '../../../../controlplane/security/listening.ts';

const TLS = { tlsCert: 'cert.pem', tlsKey: 'key.pem' };

describe('where a control plane may listen', () => {
  for (const [title, options] of [
    ['in the clear on loopback', { host: '127.0.0.1' }],
    ['in the clear on loopback, with tokens', { host: '::1', tokens: 'tokens.yaml' }],
    ['in the clear elsewhere, where that is wanted', { host: '0.0.0.0', insecure: true }],
    ['with TLS and client certificates', { host: '0.0.0.0', ...TLS, tlsClientCa: 'ca.pem' }],
    ['with TLS and tokens', { host: '0.0.0.0', ...TLS, tokens: 'tokens.yaml' }],
  ] as const) {
    it(`may: ${title}`, () => expect(listeningFaults(options)).to.deep.equal([]));
  }

  for (const [title, options, ...faults] of [
    [
      'in the clear elsewhere',
      { host: '0.0.0.0', tokens: 'tokens.yaml' },
      /^--listen: expected a loopback address.*0\.0\.0\.0 without TLS/u,
    ],
    [
      'with TLS that nobody can be told apart by',
      { host: '127.0.0.1', ...TLS },
      /^expected --tokens or --tls-client-ca/u,
    ],
    ['with half of TLS', { host: '127.0.0.1', tlsCert: 'c', tokens: 't' }, /found --tls-cert without --tls-key/u],
    [
      'with several faults at once',
      { host: '10.0.0.1', tlsClientCa: 'ca.pem' },
      /^--tls-client-ca: expected --tls-cert/u,
      /^--listen: expected a loopback address/u,
    ],
  ] as const) {
    it(`may not: ${title}`, () => {
      const found = listeningFaults(options);
      expect(found).to.have.length(faults.length);
      faults.forEach((fault, index) => expect(found[index]).to.match(fault));
    });
  }
});
