/** What OpenTelemetry's SDK finds wrong, in the log of the process: whatever goes on failing does not fill it. */
import { diag, DiagLogLevel } from '@opentelemetry/api';
import { loggingErrorHandler, setGlobalErrorHandler } from '@opentelemetry/core';
import type { Logger } from '../log.ts';
import { errorText } from './error-text.ts';

/** The same is told once in this time, in ms, and so many different things. */
const WINDOW = 60_000;
const MOST = 5;

export class SdkErrors {
  private readonly log: Logger;
  private readonly now: () => number;
  private readonly elsewhere = new Map<string, string>();
  private readonly told = new Set<string>();
  private since = -Infinity;
  private suppressed = 0;

  /** `now`: in ms, of a clock that does not jump. */
  constructor(log: Logger, now: () => number = () => performance.now()) {
    this.log = log;
    this.now = now;
  }

  /** Takes what the SDK has no other place for, until `close`. It is one for the process. */
  open(): void {
    const ignore = (): void => undefined;
    const error = (...parts: readonly unknown[]): void => this.tell(parts.map(errorText).join(' '));
    diag.setLogger(
      { error, warn: ignore, info: ignore, debug: ignore, verbose: ignore },
      { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true },
    );
    setGlobalErrorHandler((exception) => {
      // Readers and processors hand on what exporters have failed with, some of them in words of their own.
      const text = exception instanceof Error ? String(exception) : errorText(exception);
      if (![...this.elsewhere.values()].some((known) => text.includes(known))) this.tell(errorText(exception));
    });
  }

  close(): void {
    diag.disable();
    setGlobalErrorHandler(loggingErrorHandler());
  }

  /** The export of a signal has failed with this, which is told there. */
  known(signal: string, error: Error | undefined): void {
    if (error !== undefined) this.elsewhere.set(signal, String(error));
  }

  tell(error: string): void {
    const now = this.now();
    if (now - this.since >= WINDOW) {
      this.since = now;
      this.told.clear();
    }
    if (this.told.has(error) || this.told.size >= MOST) {
      this.suppressed++;
      return;
    }
    this.told.add(error);
    const { suppressed } = this;
    this.suppressed = 0;
    this.log.warn({ error, ...(suppressed > 0 && { suppressed }) }, "OpenTelemetry's SDK has failed");
  }
}
