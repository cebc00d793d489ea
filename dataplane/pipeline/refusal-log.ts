/** Lines about clients that a listener turned away: one for each reason and interval, however many they are. */
import type { ErrorCode, ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';

/** The least time between two lines of one reason, in ms. */
const INTERVAL = 10_000;

export class RefusalLog {
  private readonly log: Logger;
  /** When a reason was told last, and how many there were since. */
  private readonly told = new Map<ErrorCode, { at: number; since: number }>();

  constructor(log: Logger) {
    this.log = log;
  }

  add(listener: string, { code, message: error }: ProxyError, source?: string): void {
    const now = Date.now();
    const last = this.told.get(code);
    if (last && now - last.at < INTERVAL) {
      last.since++;
      return;
    }
    this.told.set(code, { at: now, since: 0 });
    // With those that came after the line before.
    const fields = { listener, code, error, source, count: (last?.since ?? 0) + 1 };
    // What clients do is theirs; what the proxy is short of, somebody has to see to.
    if (code === 'NO_DESCRIPTORS') this.log.warn(fields, 'connections were refused');
    else this.log.info(fields, 'a client was refused');
  }
}
