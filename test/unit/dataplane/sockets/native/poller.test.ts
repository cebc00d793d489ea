import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import {
  close,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  eventCounter,
  read,
  write,
} from '../../../../../dataplane/sockets/native/libc.ts';
import { watch } from '../../../../../dataplane/sockets/native/poller.ts';
import { descriptors, expectNoMoreThan } from '../../../../support/descriptors.ts';

const one = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

/** A descriptor that is ready to be read after `ring`, until `silence`. */
class Bell {
  readonly fd = eventCounter();
  ring(): void {
    write(this.fd, one);
  }
  silence(): void {
    read(this.fd, Buffer.alloc(8));
  }
  close(): void {
    close(this.fd);
  }
}

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
};

describe('the poller', () => {
  it('tells that a descriptor is ready, again and again until it is read', async () => {
    const before = descriptors();
    const bell = new Bell();
    let told = 0;
    const heard = new Promise<void>((resolve) => {
      const watched = watch(bell.fd, (events) => {
        expect(events & EPOLLIN).to.equal(EPOLLIN);
        if (++told < 3) return;
        bell.silence();
        watched.close();
        resolve();
      });
      watched.want(EPOLLIN);
    });
    bell.ring();
    await heard;
    expect(told).to.equal(3);
    bell.close();
    await expectNoMoreThan(before);
  });

  it('tells nothing before it is asked, nor while it rests', async () => {
    const bell = new Bell();
    let told = 0;
    const watched = watch(bell.fd, () => {
      told++;
      watched.rest();
    });
    bell.ring();
    await turns(5);
    expect(told).to.equal(0);
    watched.want(EPOLLIN);
    await turns(5);
    expect(told).to.equal(1);
    watched.want(EPOLLIN);
    watched.rest();
    await turns(5);
    expect(told).to.equal(1);
    watched.close();
    bell.close();
  });

  it('changes what it waits for while it waits', async () => {
    const bell = new Bell();
    await turns(3);
    const told = new Promise<number>((resolve) => {
      const watched = watch(bell.fd, (events) => {
        watched.close();
        resolve(events);
      });
      watched.want(EPOLLIN);
      setTimeout(() => watched.want(EPOLLOUT), 10);
    });
    expect((await told) & (EPOLLOUT | EPOLLHUP)).to.equal(EPOLLOUT);
    bell.close();
  });

  it('tells nothing of a descriptor that another handler of the same turn has closed', async () => {
    const bells = [new Bell(), new Bell()] as const;
    const told: number[] = [];
    const watches = bells.map((bell, index) =>
      watch(bell.fd, () => {
        told.push(index);
        for (const each of watches) each.close();
      }),
    );
    for (const bell of bells) bell.ring();
    for (const each of watches) each.want(EPOLLIN);
    await turns(5);
    expect(told).to.have.length(1);
    for (const bell of bells) bell.close();
  });

  it('goes on after a handler that throws', async () => {
    const bell = new Bell();
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const thrown = new Promise<Error>((resolve) => process.once('uncaughtException', resolve));
    let told = 0;
    const watched = watch(bell.fd, () => {
      bell.silence();
      if (++told === 1) throw new Error('of a handler');
    });
    watched.want(EPOLLIN);
    bell.ring();
    expect((await thrown).message).to.equal('of a handler');
    for (const listener of listeners) process.on('uncaughtException', listener);
    bell.ring();
    await turns(10);
    expect(told).to.equal(2);
    watched.close();
    bell.close();
  });

  it('serves many descriptors at once', async () => {
    const before = descriptors();
    const bells = Array.from({ length: 500 }, () => new Bell());
    const told = new Set<number>();
    const watches = bells.map((bell, index) =>
      watch(bell.fd, () => {
        bell.silence();
        told.add(index);
      }),
    );
    for (const each of watches) each.want(EPOLLIN);
    for (const bell of bells) bell.ring();
    while (told.size < bells.length) await turns(1);
    for (const each of watches) each.close();
    for (const bell of bells) bell.close();
    await expectNoMoreThan(before);
  });

  const inChild = (code: string): { readonly status: number | null; readonly stdout: string } =>
    spawnSync(process.execPath, ['--import=tsx', '--input-type=module', '-e', code], {
      encoding: 'utf8',
      timeout: 8000,
      killSignal: 'SIGKILL',
    });
  const imports = `
    const { eventCounter, EPOLLIN } = await import('./dataplane/sockets/native/libc.ts');
    const { watch } = await import('./dataplane/sockets/native/poller.ts');
    const watched = watch(eventCounter(), () => undefined);
    watched.want(EPOLLIN);
  `;

  it('does not keep a process that exits', () => {
    const { status } = inChild(`${imports} setTimeout(() => process.exit(7), 50);`);
    expect(status).to.equal(7);
  });

  it('does not keep a process that has closed its last watch, but one that has not', () => {
    const code = `${imports} setTimeout(() => { console.log('alive'); watched.close(); }, 300);`;
    expect(inChild(code)).to.include({ status: 0, stdout: 'alive\n' });
  });
});
