import { expect } from 'chai';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '../../../../common/log.ts';
import { expiryOf } from '../../../../common/tls.ts';
import { watchClient, watchServer } from '../../../../dataplane/sockets/tls-context.ts';
import type { TlsServer } from '../../../../gen/l7mp/config/v1/types.ts';
import { noSecrets, silentLogger } from '../../../support/doubles.ts';
import { type Certificate, makeCertificate } from '../../../support/certificates.ts';
import { until } from '../../../support/until.ts';

describe('TLS contexts of files', () => {
  let directory: string;
  let first: Certificate;
  let second: Certificate;
  let files: Certificate;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    first = makeCertificate(directory, 'first', 'DNS:first');
    second = makeCertificate(directory, 'second', 'DNS:second');
  });
  after(() => rmSync(directory, { recursive: true }));
  beforeEach(() => {
    files = { cert: join(directory, 'live.crt'), key: join(directory, 'live.key') };
    put(first);
  });

  const put = ({ cert, key }: Certificate): void => {
    copyFileSync(cert, files.cert);
    copyFileSync(key, files.key);
  };
  const specOf = (more: Partial<TlsServer> = {}): TlsServer => ({
    ...files,
    client_certificate: 'none',
    alpn: [],
    certificates: [],
    min_version: 'TLSv1.2',
    ...more,
  });

  it('are made anew when both files have changed, and stay when what they hold is bad', async () => {
    const said: string[] = [];
    const log: Logger = {
      ...silentLogger,
      info: (_fields: object, message: string) => void said.push(message),
      error: (fields: object, message: string) => void said.push(`${message}: ${JSON.stringify(fields)}`),
    };
    const contexts = watchServer(specOf(), { log, secrets: noSecrets });
    contexts.watch();
    try {
      const before = contexts.current;
      put(second);
      await until('other contexts', () => contexts.current !== before);
      expect(said).to.deep.equal(['certificates were loaded again']);
      const current = contexts.current;
      writeFileSync(files.cert, 'no certificate');
      await until('a complaint', () => said.length > 1);
      expect(said[1]).to.match(/^certificates stay as they were: .*tls: expected a certificate, its key/u);
      expect(contexts.current).to.equal(current);
    } finally {
      contexts.close();
    }
  });

  it('tell when the first of their certificates ends', () => {
    const { expiry } = watchServer(specOf({ certificates: [{ server_names: ['second'], ...second }] }), {
      log: silentLogger,
      secrets: noSecrets,
    }).current;
    const ends = [first, second].map(({ cert }) => expiryOf(readFileSync(cert, 'latin1')) ?? NaN);
    expect(expiry).to.equal(Math.min(...ends));
  });

  const faults: Readonly<Record<string, [() => unknown, RegExp]>> = {
    'a file that is not there': [
      () => watchServer(specOf({ key: '/no/such/key' }), { log: silentLogger, secrets: noSecrets }),
      /^tls\.key: expected a PEM file that can be read, found ENOENT/u,
    ],
    'a key of another certificate': [
      () => watchServer(specOf({ key: second.key }), { log: silentLogger, secrets: noSecrets }),
      /^tls: expected a certificate, its key, and ciphers that OpenSSL knows, found .*key values mismatch/u,
    ],
    'ciphers that OpenSSL does not know': [
      () => watchServer(specOf({ ciphers: 'ROT13' }), { log: silentLogger, secrets: noSecrets }),
      /^tls: expected .* found .*no cipher match/u,
    ],
    'a named certificate that is none': [
      () =>
        watchServer(specOf({ certificates: [{ server_names: ['a'], ...files, cert: files.key }] }), {
          log: silentLogger,
          secrets: noSecrets,
        }),
      /^tls\.certificates\[0\]: expected a certificate/u,
    ],
    'authorities that are none': [
      () => watchServer(specOf({ ca: files.key }), { log: silentLogger, secrets: noSecrets }),
      /^tls\.ca: expected certificates in PEM, found none/u,
    ],
    'an authority that is cut': [
      () => {
        const text = readFileSync(files.cert, 'latin1');
        const cut = text.replace(/\n[^-]{64}\n/u, '\n');
        return watchServer(specOf({ ca: text + cut }), { log: silentLogger, secrets: noSecrets });
      },
      /^tls\.ca: expected certificates in PEM, found number 2: /u,
    ],
    'a client certificate without its key': [
      () =>
        watchClient(
          { cert: files.cert, insecure: false, alpn: [], san: [], min_version: 'TLSv1.2' },
          { log: silentLogger, secrets: noSecrets },
        ),
      /^tls: expected cert and key, or neither, found only cert/u,
    ],
  };
  for (const [what, [make, message]] of Object.entries(faults)) {
    it(`are refused where there is ${what}`, () => {
      expect(make).to.throw(message).with.property('code', 'INVALID_CONFIG');
    });
  }
});
