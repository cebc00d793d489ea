import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { relay, startProxy } from '../../../../support/proxy.ts';

const run = promisify(execFile);

describe('TCP, with socat as its peer', () => {
  it('echoes what socat sends, half-close included', async () => {
    const proxy = await startProxy(
      relay({ protocol: 'TCP', address: '127.0.0.1', port: 0 }, { spec: { protocol: 'Echo' } }),
    );
    try {
      const child = run('socat', ['-t', '5', '-', `TCP:127.0.0.1:${proxy.port('in')}`]);
      child.child.stdin?.end('hello');
      expect((await child).stdout).to.equal('hello');
    } finally {
      await proxy.close();
    }
  });
});
