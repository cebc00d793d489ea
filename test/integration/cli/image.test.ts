/** What images hold: the Dockerfiles read, and their steps run without Docker. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { DockerfileParser } from 'dockerfile-ast';
import { runCommand } from '../../support/command.ts';
import { Peer } from '../../support/peer.ts';

const ASSEMBLE = 'k8s/image/assemble.sh';

/** Each file with its mode, time and content. */
function listing(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const path = join(directory, name);
      const { mode, mtimeMs } = lstatSync(path);
      const content = lstatSync(path).isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : '';
      return `${name} ${mode.toString(8)} ${mtimeMs} ${content}`;
    });
}

describe('images', () => {
  let directory: string;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-image-'));
    execFileSync('chmod', ['755', directory]);
  });
  after(() => rmSync(directory, { recursive: true }));

  for (const server of ['proxy', 'controlplane']) {
    it(`of ${server} are built of what is there, and run as nobody in particular`, () => {
      const file = DockerfileParser.parse(readFileSync(`k8s/image/${server}.Dockerfile`, 'utf8'));
      const instructions = file.getInstructions();
      const all = instructions.map((each) => `${each.getInstruction()} ${each.getArguments().join(' ')}`);
      const known = ['ARG', 'FROM', 'WORKDIR', 'COPY', 'RUN', 'ENV', 'USER', 'ENTRYPOINT', 'CMD'];
      for (const each of instructions) expect(known).to.include(each.getInstruction());
      const last = all.slice(all.map((each) => each.startsWith('FROM')).lastIndexOf(true));
      expect(last).to.include('USER 65532:65532');
      expect(last).to.include(`CMD ["${server}"]`);
      expect(last).to.include('COPY /out /opt/l7mp'); // flags are no arguments
      expect(all.join('\n')).to.not.match(/curl|wget|ADD http/u);
      expect(all).to.include('RUN npm ci --ignore-scripts --no-audit --no-fund');
      expect(all).to.include(`RUN npm run build && ${ASSEMBLE} /out`);
      for (const each of file.getCOPYs()) {
        const sources = each
          .getArguments()
          .slice(0, -1)
          .map((argument) => argument.getValue());
        for (const source of sources.filter((name) => !name.startsWith('/'))) expect(existsSync(source)).to.equal(true);
      }
    });
  }

  it('hold the same from the same checkout, and no tools', () => {
    const [one, other] = ['one', 'other'].map((name) => join(directory, name)) as [string, string];
    for (const out of [one, other])
      execFileSync(ASSEMBLE, [out], { env: { ...process.env, SOURCE_DATE_EPOCH: '1000' } });
    expect(listing(one)).to.deep.equal(listing(other));
    expect(new Set(listing(one).map((line) => line.split(' ')[2]))).to.deep.equal(new Set(['1000000']));
    expect(existsSync(join(one, 'ebpf/udp.bpf.o'))).to.equal(true);
    expect(listing(one).filter((line) => /^\S+\.(?:map|d\.ts) /u.test(line))).to.deep.equal([]);
    for (const tool of ['typescript', 'mocha', 'eslint']) {
      expect(existsSync(join(one, 'node_modules', tool)), tool).to.equal(false);
    }
  });

  it('run both servers, without rights and without writing to themselves', async () => {
    const l7mp = join(directory, 'one/bin/l7mp');
    const nobody = ['--reuid', '65532', '--regid', '65532', '--clear-groups', l7mp];
    const { stdout } = await runCommand('setpriv', [...nobody, '--version']);
    expect(stdout).to.match(/^\d+\.\d+\.\d+\n$/u);
    const store = join(directory, 'store');
    execFileSync('install', ['-d', '-o', '65532', store]);
    for (const args of [
      ['proxy', '--http', '127.0.0.1:0', '--no-api', '--controlplane', '127.0.0.1:1'],
      ['controlplane', '--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', '--store', `embedded:${store}`],
    ]) {
      const peer = new Peer('setpriv', [...nobody, ...args]);
      try {
        await peer.output(/"msg":"(?:ready|waiting for the control plane)"/u);
      } finally {
        await peer.stop();
      }
    }
    const manifests = await runCommand(l7mp, ['install', '-o', 'yaml']);
    expect(manifests.stdout).to.contain('kind: Deployment');
  });
});
