/** What a proxy loads when it starts: nothing that its configuration does not use. */
import { expect } from 'chai';
import { ProxyProcess } from '../../support/command.ts';

/** Says which packages are loaded, when it is asked to. */
const HOOK = `
import Module from "node:module";
process.on("SIGUSR2", () => {
  const names = Object.keys(Module._cache).map((file) => /.*node_modules.((?:@[^/]+.)?[^/]+)/.exec(file)?.[1]);
  console.error("packages: " + [...new Set(names)].sort().join(" "));
});`;

describe('what l7mp proxy loads', () => {
  it('is of all packages only that of the command line, where the configuration is JSON with a TCP listener', async () => {
    const listeners = [{ name: 'in', spec: { protocol: 'TCP', address: '127.0.0.1', port: 0 }, rules: [] }];
    const options = `export NODE_OPTIONS='--import=data:text/javascript,${encodeURIComponent(HOOK)}';`;
    const proxy = await ProxyProcess.start({ listeners }, [], options);
    try {
      process.kill(proxy.peer.pid, 'SIGUSR2');
      const [, packages] = await proxy.peer.output(/^packages: (.*)$/mu);
      expect(packages).to.equal('commander');
    } finally {
      await proxy.stop();
    }
  });
});
