/** What OpenTelemetry's SDK finds wrong, in the log of the process: whatever goes on failing does not fill it. */
import { diag, DiagLogLevel } from '@opentelemetry/api';
import { loggingErrorHandler, setGlobalErrorHandler } from '@opentelemetry/core';
import type { Logger } from '../log.ts';
import { errorText } from './error-text.ts';

/** The same is told once in this time, in ms, and so many different things. */
const WINDOW = 60_000;
const MOST = 5;

/** How exporters begin what they say of it (`@opentelemetry/otlp-exporter-base`). */
const PARTIAL_SUCCESS = 'Received Partial Success response';

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
    // The only place where exporters tell of an answer that takes a part.
    const warn = (message: string, answer?: unknown): void => {
      const refusal = message.startsWith(PARTIAL_SUCCESS) ? refusalOf(String(answer)) : undefined;
      if (refusal !== undefined) this.tell(refusal, 'the collector has not taken all that was exported');
    };
    diag.setLogger(
      { error, warn, info: ignore, debug: ignore, verbose: ignore },
      { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
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

  tell(error: string, message = "OpenTelemetry's SDK has failed"): void {
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
    this.log.warn({ error, ...(suppressed > 0 && { suppressed }) }, message);
  }
}

/** What an answer says that something was refused, or wrong; undefined: it does not (OTLP, "Partial Success"). */
function refusalOf(answer: string): string | undefined {
  const isTold = ([name, value]: [string, unknown]): boolean =>
    name === 'errorMessage' ? value !== '' : value !== 0 && value !== '0';
  try {
    return Object.entries(JSON.parse(answer) as object).some(isTold) ? answer : undefined;
  } catch {
    return answer;
  }
}
