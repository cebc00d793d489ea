/** Certificates over the years, as openssl and clients of Node.js's TLS see them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { expect } from 'chai';
import {
  type Bundle,
  fromSecretData,
  toSecretData,
  trusted,
} from '../../../../../controlplane/kubernetes/certificates/bundle.ts';
import { AGES, nextChange, renewed } from '../../../../../controlplane/kubernetes/certificates/rotation.ts';
import { runCommand } from '../../../../support/command.ts';

const DAY = 86_400_000;
const NAMES = ['l7mp-controlplane.l7mp-system', 'l7mp-controlplane.l7mp-system.svc', '192.0.2.1'];

describe('certificates of the control plane', () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'l7mp-'))));
  afterEach(() => rmSync(directory, { recursive: true }));

  function verify({ authorities, server }: Bundle, at: number): string {
    const [ca, cert] = [join(directory, 'ca'), join(directory, 'cert')];
    writeFileSync(ca, trusted(authorities));
    writeFileSync(cert, server.cert);
    const args = ['verify', '-x509_strict', '-attime', String(Math.floor(at / 1000)), '-purpose', 'sslserver'];
    return execFileSync('openssl', [...args, '-verify_hostname', NAMES[1]!, '-CAfile', ca, cert], { encoding: 'utf8' });
  }

  it('are what openssl takes for an authority and a server', async () => {
    const bundle = await renewed(undefined, NAMES, Date.now());
    expect(verify(bundle, Date.now())).to.contain('OK');
    expect(verify(bundle, Date.now() - 1_800_000), 'by a clock that is slow').to.contain('OK');
    const text = execFileSync('openssl', ['x509', '-noout', '-ext', 'subjectAltName', '-in', join(directory, 'cert')]);
    expect(text.toString()).to.contain('IP Address:192.0.2.1');
  });

  it('serve TLS for curl', async () => {
    const { authorities, server } = await renewed(undefined, ['localhost'], Date.now());
    const ca = join(directory, 'ca');
    writeFileSync(ca, trusted(authorities));
    const tls = createServer({ cert: server.cert, key: server.key }, (socket) => {
      socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nhello'));
    });
    tls.listen(0, '127.0.0.1');
    await once(tls, 'listening');
    const { port } = tls.address() as AddressInfo;
    const { stdout } = await runCommand('curl', ['-s', '--cacert', ca, `https://localhost:${port}/`]);
    tls.close();
    await once(tls, 'close');
    expect(stdout).to.equal('hello');
  });

  it('survive a Secret as they are', async () => {
    const now = Date.now();
    const bundle = await renewed(undefined, NAMES, now);
    const read = fromSecretData(toSecretData(bundle));
    expect(read).to.deep.equal(bundle);
    expect(await renewed(read, NAMES, now)).to.equal(read);
    expect(await renewed(read, [...NAMES].reverse(), now), 'in another order').to.equal(read);
  });

  it('are refused where they do not fit together', async () => {
    const [one, other] = [await renewed(undefined, NAMES, Date.now()), await renewed(undefined, NAMES, Date.now())];
    const mixed = { ...toSecretData(one), 'tls.key': toSecretData(other)['tls.key']! };
    expect(() => fromSecretData(mixed)).to.throw('tls.key: expected the key of tls.crt');
    expect(() => fromSecretData({ ...toSecretData(one), 'ca.crt': toSecretData(other)['ca.crt']! })).to.throw(
      'ca.crt: expected the authority of tls.crt',
    );
    expect(() => fromSecretData({})).to.throw();
  });

  it('are made anew for other names, under the same authority', async () => {
    const now = Date.now();
    const before = await renewed(undefined, NAMES, now);
    const after = await renewed(before, ['other'], now);
    expect(after.authorities).to.deep.equal(before.authorities);
    expect(after.server.names).to.deep.equal(['other']);
  });

  it('are renewed over ten years so that whoever has heard of the last change an hour late trusts them', async () => {
    const start = Date.now();
    let now = start;
    let bundle = await renewed(undefined, NAMES, now);
    let known = bundle; // what clients trust: an hour behind
    let changes = 0;
    let most = 0;
    while (now < start + 3650 * DAY) {
      now = nextChange(bundle);
      const next = await renewed(bundle, NAMES, now);
      expect(next, 'what is due is done').to.not.equal(bundle);
      expect(nextChange(next), 'and then not again at once').to.be.greaterThan(now);
      bundle = next;
      expect(verify({ authorities: known.authorities, server: bundle.server }, now)).to.contain('OK');
      known = bundle;
      changes += 1;
      most = Math.max(most, bundle.authorities.length);
      expect(bundle.authorities.filter(({ key }) => key !== undefined).length).to.be.at.most(2);
      expect(bundle.server.notAfter.getTime()).to.be.at.most(
        bundle.authorities.find(({ cert }) => cert === bundle.server.issuer)!.notAfter.getTime(),
      );
    }
    expect(changes).to.be.within(60, 100);
    expect(most).to.equal(2);
    expect(AGES.settle).to.be.at.least(3_600_000);
  });
});
