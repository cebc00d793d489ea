/** A session that waits for its stream: first for names to be looked up, where they aren't yet, then for a connector. */
import type { Opened, Opening, OpenRequest } from '../core/cluster.ts';
import type { ProxyError } from '../../common/errors.ts';
import type { Attempt } from './attempt.ts';

export interface PendingHandlers {
  /** Its time is over. */
  onTimeout(pending: Pending): void;
  /** It waits no more, whatever the reason. Called once. */
  onOver(pending: Pending): void;
}

export class Pending implements Opening {
  readonly request: OpenRequest;
  readonly opened: Promise<Opened>;
  /** The attempt under way, once an endpoint is chosen. */
  attempt: Attempt | undefined;
  over = false;
  private readonly handlers: PendingHandlers;
  private readonly timer: NodeJS.Timeout;
  private resolve!: (opened: Opened) => void;
  private reject!: (error: ProxyError) => void;

  constructor(request: OpenRequest, handlers: PendingHandlers) {
    this.request = request;
    this.handlers = handlers;
    this.opened = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.timer = setTimeout(() => handlers.onTimeout(this), request.timeout);
  }

  succeed(opened: Opened): void {
    if (this.finish()) this.resolve(opened);
  }

  abort(error: ProxyError): void {
    if (!this.finish()) return;
    this.attempt?.abort(error);
    this.reject(error);
  }

  private finish(): boolean {
    if (this.over) return false;
    this.over = true;
    clearTimeout(this.timer);
    this.handlers.onOver(this);
    return true;
  }
}
