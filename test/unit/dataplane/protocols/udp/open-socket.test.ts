import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';

const toUrl = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;

/** A Node.js where a package can't be found. */
const HOOKS = toUrl(`export async function resolve(name, context, next) {
  if (name === 'koffi') throw new Error('no koffi here');
  return next(name, context);
}`);
const WITHOUT_KOFFI = toUrl(`import { register } from 'node:module'; register(${JSON.stringify(HOOKS)});`);

async function kindOfSocket(...options: string[]): Promise<string> {
  const code = `import { openSocket } from './dataplane/protocols/udp/open-socket.ts'; console.log(openSocket.name);`;
  const args = ['--import=tsx/esm', ...options, '--input-type=module', '--eval', code];
  return (await promisify(execFile)(process.execPath, args)).stdout.trim();
}

describe('The kind of UDP sockets', () => {
  it('is that of system calls', async () => {
    expect(await kindOfSocket()).to.equal('openNativeSocket');
  });

  it('is that of node:dgram where koffi can’t be loaded', async () => {
    expect(await kindOfSocket(`--import=${WITHOUT_KOFFI}`)).to.equal('openPlainSocket');
  });
});
