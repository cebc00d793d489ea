/** Accepts the connections of a listening socket. */
import { ProxyError } from '../../../common/errors.ts';
import type { Logger } from '../../../common/log.ts';
import type { Refused } from '../../core/session.ts';
import { shortageAt } from '../descriptors.ts';
import { accept, close, EAGAIN, ECONNABORTED, EINTR, EPOLLIN, systemError } from './libc.ts';
import { type Watch, watch } from './poller.ts';

/** Connections that are accepted before others have their turn. */
const ACCEPT_BUDGET = 64;

/** How long accepting rests where it fails, in ms: the connection, which waits, would be told again at once. */
const REST = 100;

export interface AcceptorOptions {
  /** Listens, and doesn't block. */
  readonly fd: number;
  /** How the log names it. */
  readonly name: string;
  readonly log: Logger;
  /** Told of connections that get none of the last descriptors, and when there are none at all. */
  readonly refused: Refused;
  /** Takes the descriptor. What it throws is logged. */
  onConnection(fd: number): void;
}

/** It owns the listening descriptor. */
export class Acceptor {
  private readonly options: AcceptorOptions;
  private readonly watch: Watch;
  private timer: NodeJS.Timeout | undefined;
  /** Accepting has failed, and has not succeeded since: that is told once. */
  private failing = false;
  private closed = false;

  constructor(options: AcceptorOptions) {
    this.options = options;
    this.watch = watch(options.fd, this.onReady);
    this.watch.want(EPOLLIN);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.timer);
    this.watch.close();
    close(this.options.fd);
  }

  private readonly onReady = (): void => {
    for (let budget = ACCEPT_BUDGET; budget > 0 && !this.closed; budget--) {
      const fd = accept(this.options.fd);
      if (fd === -EAGAIN) return;
      if (fd === -EINTR || fd === -ECONNABORTED) continue;
      if (fd < 0) {
        this.rest(systemError('accept', -fd));
        return;
      }
      this.failing = false;
      const shortage = shortageAt(fd);
      if (shortage) {
        close(fd);
        this.options.refused(shortage);
        continue;
      }
      try {
        this.options.onConnection(fd);
      } catch (error) {
        this.complain(ProxyError.from(error));
      }
    }
  };

  private rest(error: ProxyError): void {
    if (!this.failing) {
      if (error.code === 'NO_DESCRIPTORS') this.options.refused(error);
      else this.complain(error);
    }
    this.failing = true;
    this.watch.rest();
    this.timer = setTimeout(() => this.watch.want(EPOLLIN), REST);
  }

  private complain({ message }: ProxyError): void {
    const { name, log } = this.options;
    log.error({ listener: name, error: message }, 'accepting connections failed');
  }
}
