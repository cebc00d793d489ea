import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { portOfService } from '../../../common/services.ts';

describe('names of services', () => {
  let directory: string;
  let file: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    file = join(directory, 'services');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('are ports of one protocol, other names and comments included', () => {
    const lines = ['# the list', 'domain\t53/tcp', 'domain 53/udp # DNS', 'http  80/tcp  www # www-http', 'x 1/tcp'];
    writeFileSync(file, lines.join('\n'));
    expect(portOfService('domain', 'udp', file)).to.equal(53);
    expect(portOfService('www', 'tcp', file)).to.equal(80);
    for (const unknown of ['DNS', 'www-http', '80/tcp', '', '#']) {
      expect(portOfService(unknown, 'tcp', file), unknown).to.equal(undefined);
    }
    expect(portOfService('http', 'sctp', file)).to.equal(undefined);
  });

  it('are none without a list', () => {
    expect(portOfService('http', 'tcp', file)).to.equal(undefined);
  });
});
