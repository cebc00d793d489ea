import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { close, socket, AF_UNIX, SOCK_DGRAM } from '../../../dataplane/sockets/native/libc.ts';
import { isRunners, more, openDescriptors, openHandles } from '../../support/open.ts';
import { until } from '../../support/until.ts';

const listening = async (): Promise<Server> => {
  const server = createServer().listen(0);
  await once(server, 'listening');
  return server;
};

/** How each is opened, and closed again. */
const OPENED: Readonly<Record<string, () => (() => void) | Promise<() => void>>> = {
  'timer of ': () => {
    const timer = setTimeout(() => undefined, 60_000);
    return () => clearTimeout(timer);
  },
  FSEVENTWRAP: () => {
    const watcher = watch(tmpdir()).unref();
    return () => watcher.close();
  },
  TCPSERVERWRAP: async () => {
    const server = await listening();
    return () => server.close();
  },
  PROCESSWRAP: () => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    return () => child.kill();
  },
};

describe('What the process has open', () => {
  for (const [kind, open] of Object.entries(OPENED)) {
    it(`is told with the place that made it, and no more once it is closed: ${kind}`, async () => {
      const before = openHandles();
      const close = await open();
      const added = more(openHandles(), before).filter((each) => !isRunners(each));
      close();
      expect(added.map((each) => each.kind)).to.have.length(1);
      expect(added[0]?.kind).to.match(new RegExp(`^${kind}`, 'u'));
      expect(added[0]?.stack).to.include('open.test.ts');
      await until('it to be closed', () => more(openHandles(), before).every(isRunners));
    });
  }

  it('has descriptors that Node.js does not know, and leaves out those that it does', async () => {
    const server = await listening();
    const before = openDescriptors();
    const other = await listening();
    const fd = socket(AF_UNIX, SOCK_DGRAM);
    const now = openDescriptors();
    const added = more(now, before);
    close(fd);
    for (const each of [server, other]) each.close();
    expect(now).to.deep.include({ id: fd, kind: 'descriptor of socket', stack: '' });
    // Of one kind there is one more, the last of them: the new one has the first number that is free.
    expect(added.map(({ kind, stack }) => [kind, stack])).to.deep.equal([['descriptor of socket', '']]);
    await until('it to be closed', () => more(openDescriptors(), before).length === 0);
  });
});
