/** The structured log: JSON lines with level, time, message, and the fields session, listener and cluster. */
import { LineWriter } from '../core/line-writer.ts';
import type { LogFields, Logger } from '../core/log.ts';

/** The levels of the configuration, with those of l7mp's users, and how severe they are. */
const SEVERITY = {
  silly: 10,
  trace: 10,
  verbose: 20,
  debug: 20,
  http: 30,
  info: 30,
  notice: 30,
  warn: 40,
  error: 50,
  silent: Infinity,
} as const;

export type LogLevel = keyof typeof SEVERITY;
const NAMES = { 20: 'debug', 30: 'info', 40: 'warn', 50: 'error' } as const;

/** A logger that is told where it writes, and closed. */
export interface ProcessLogger extends Logger {
  /** Changes the level from the next line on. */
  setLevel(level: LogLevel): void;
  /** Opens its file anew. */
  reopen(): void;
  close(): Promise<void>;
}

/** Text for people where `target` is a terminal, JSON lines elsewhere. */
export function createLogger(level: LogLevel, target: string): ProcessLogger {
  const writer = new LineWriter(target, (message) => process.stderr.write(`l7mp: ${message}\n`));
  const pretty = (target === 'stderr' && process.stderr.isTTY) || (target === 'stdout' && process.stdout.isTTY);
  const format = pretty ? formatText : formatJson;
  let least: number = SEVERITY[level];
  const at =
    (severity: keyof typeof NAMES) =>
    (fields: LogFields, message: string): void => {
      if (severity >= least) writer.write(format(NAMES[severity], fields, message));
    };
  return {
    debug: at(20),
    info: at(30),
    warn: at(40),
    error: at(50),
    setLevel: (next) => {
      least = SEVERITY[next];
    },
    reopen: () => writer.reopen(),
    close: () => writer.close(),
  };
}

function formatJson(level: string, fields: LogFields, message: string): string {
  return JSON.stringify({ level, time: new Date().toISOString(), ...fields, msg: message });
}

function formatText(level: string, fields: LogFields, message: string): string {
  const pairs = Object.entries(fields).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`);
  // Control characters of a peer must not steer a terminal.
  const line = `${new Date().toISOString().slice(11, 23)} ${level.padEnd(5)} ${message}${pairs.join('')}`;
  // eslint-disable-next-line no-control-regex -- they are what is looked for
  return line.replace(/[\u0000-\u001f\u007f-\u009f]/gu, ' ');
}
