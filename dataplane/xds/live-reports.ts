/** Tells the control plane what sessions do, as often as it asks for it; nothing where it doesn't. */
import type { ReportRequest, ReportResponse, SessionsReport, TrafficReport } from '../../gen/messages.ts';

/** What the proxy knows of its sessions. */
export interface LiveSource {
  traffic(): TrafficReport;
  /** The `most` sessions that move the most, and the whole of those that are named. */
  sessions(most: number, details: readonly string[]): SessionsReport;
  /** Ends sessions at once. */
  end(names: readonly string[]): void;
}

type Wanted = Omit<ReportResponse, 'end_sessions'>;
type Send = (message: Partial<ReportRequest>, sent: () => void) => void;

/** What a control plane may ask for: more costs what is to be served. */
const LEAST_INTERVAL_MS = 200;
const MAX_SESSIONS = 1000;
const MAX_DETAILS = 16;

export class LiveReporter {
  private readonly source: LiveSource;
  private readonly send: Send;
  private wanted: Wanted | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** A message is on its way: what would be told meanwhile is not made, so that a slow server costs no memory. */
  private isBusy = false;

  constructor(source: LiveSource, send: Send) {
    this.source = source;
    this.send = send;
  }

  /** What is asked for from now on. */
  take({ end_sessions, ...wanted }: ReportResponse): void {
    if (end_sessions.length > 0) this.source.end(end_sessions);
    const before = this.wanted;
    this.wanted = wanted;
    if (JSON.stringify(before) === JSON.stringify(wanted)) return;
    clearInterval(this.timer);
    this.timer = undefined;
    const { traffic_interval_ms: interval } = wanted;
    if (interval <= 0) return;
    this.timer = setInterval(() => this.tell(), Math.max(LEAST_INTERVAL_MS, interval)).unref();
    this.tell();
  }

  close(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private tell(): void {
    if (this.isBusy || this.wanted === undefined) return;
    const { sessions: most, session_details: details } = this.wanted;
    this.isBusy = true;
    const isAsked = most > 0 || details.length > 0;
    const message = {
      traffic: this.source.traffic(),
      ...(isAsked && {
        sessions: this.source.sessions(Math.min(most, MAX_SESSIONS), details.slice(0, MAX_DETAILS)),
      }),
    };
    this.send(message, () => (this.isBusy = false));
  }
}
