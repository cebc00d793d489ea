/** Tells when somebody opens a named pipe (inotify(7)): polling for it would cost, and opening it would block a thread. */
import { close, EPOLLIN, inotifyAdd, inotifyCreate, read } from '../../sockets/native/libc.ts';
import { type Watch, watch } from '../../sockets/native/poller.ts';

// uapi/linux/inotify.h
const IN_ATTRIB = 0x4;
const IN_OPEN = 0x20;
const IN_MOVE_SELF = 0x800;

export class OpenWatch {
  private readonly fd: number;
  private readonly watch: Watch;
  private readonly events = Buffer.alloc(4096);
  private happened = false;
  private wake: (() => void) | undefined;

  /** From now on; it also tells of files that are removed or renamed. @throws ProxyError */
  constructor(path: string) {
    this.fd = inotifyCreate();
    try {
      inotifyAdd(this.fd, path, IN_OPEN | IN_ATTRIB | IN_MOVE_SELF);
      this.watch = watch(this.fd, this.onReady);
    } catch (error) {
      close(this.fd);
      throw error;
    }
    this.watch.want(EPOLLIN);
  }

  /** Resolves when something has happened since the last time, or when `signal` aborts. */
  next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        this.wake = undefined;
        this.happened = false;
        resolve();
      };
      if (this.happened || signal.aborted) {
        done();
        return;
      }
      this.wake = done;
      signal.addEventListener('abort', done, { once: true });
    });
  }

  close(): void {
    this.watch.close();
    close(this.fd);
  }

  private readonly onReady = (): void => {
    while (read(this.fd, this.events) > 0);
    this.happened = true;
    this.wake?.();
  };
}
