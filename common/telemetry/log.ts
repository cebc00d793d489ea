/** The structured log: JSON lines with level, time, message, and the fields session, listener and cluster. */
import type { Json } from '../../gen/l7mp/config/v1/types.ts';
import { LineWriter } from '../line-writer.ts';
import type { LogFields, Logger } from '../log.ts';
import { escapeJson, flatten } from './escape.ts';

/** The levels of the configuration, with those of l7mp's users, by how severe they are. Lines have four of them. */
const SEVERITY = {
  silly: 10,
  trace: 10,
  verbose: 20,
  debug: 20,
  info: 30,
  http: 32,
  notice: 35,
  warn: 40,
  error: 50,
  silent: Infinity,
} as const;

export type LogLevel = keyof typeof SEVERITY;
export type LineLevel = 'debug' | 'info' | 'warn' | 'error';

/** Longer strings are cut: a peer's header of a megabyte is not the log's. */
const MAX_STRING = 4096;

/** Takes lines. */
export type LineSink = (level: LineLevel, fields: LogFields, message: string) => void;

/** A logger that is told where it writes, and closed. */
export interface ProcessLogger extends Logger {
  /** Lines that found no room, or could not be written. */
  readonly linesLost: number;
  /** Changes the level from the next line on. */
  setLevel(level: LogLevel): void;
  /** Lines go there, too, from now on. */
  follow(sink: LineSink): void;
  /** Lines have more fields from now on, made of those that they have. */
  complete(more: (fields: LogFields) => LogFields | undefined): void;
  /** Opens its file anew. */
  reopen(): void;
  close(): Promise<void>;
}

/** Text for people where `target` is a terminal, JSON lines elsewhere. `target`: `stdout`, `-`, `stderr` or a file. */
export function createLogger(level: LogLevel, target: string): ProcessLogger {
  const writer = new LineWriter(target, (message) => process.stderr.write(`l7mp: ${message}\n`));
  const terminal = target === 'stderr' ? process.stderr.isTTY : isStdout(target) && process.stdout.isTTY;
  const format = terminal ? formatText : formatJson;
  let least: number = SEVERITY[level];
  const sinks: LineSink[] = [];
  let moreOf: (fields: LogFields) => LogFields | undefined = () => undefined;
  const at =
    (lineLevel: LineLevel) =>
    (fields: LogFields, message: string): void => {
      if (SEVERITY[lineLevel] < least) return;
      const all = { ...fields, ...moreOf(fields) };
      writer.write(format(lineLevel, all, message));
      for (const sink of sinks) sink(lineLevel, all, message);
    };
  return {
    get linesLost() {
      return writer.linesLost;
    },
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    setLevel: (next) => {
      least = SEVERITY[next];
    },
    follow: (sink) => {
      sinks.push(sink);
    },
    complete: (more) => {
      moreOf = more;
    },
    reopen: () => writer.reopen(),
    close: () => writer.close(),
  };
}

function isStdout(target: string): boolean {
  return target === 'stdout' || target === '-';
}

/** One object on one line. The fields can't pass for the level, the time or the message. */
export function formatJson(level: LineLevel, fields: LogFields, message: string): string {
  const head = { level, time: new Date().toISOString() };
  return escapeJson(stringifyFields({ ...head, ...fields, ...head, msg: message }));
}

/** `12:00:00.000 info  message name=value …`. */
export function formatText(level: LineLevel, fields: LogFields, message: string): string {
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${stringify(value)}`);
  return flatten(`${new Date().toISOString().slice(11, 23)} ${level.padEnd(5)} ${message}${pairs.join('')}`);
}

/** Fields as plain JSON: errors by name and message, long texts cut. */
export function toPlainFields(fields: LogFields): Record<string, Json> {
  return JSON.parse(stringifyFields(fields)) as Record<string, Json>;
}

/** One field that can't be written costs no other. */
function stringifyFields(fields: LogFields): string {
  try {
    return JSON.stringify(fields, replace);
  } catch {
    return `{${Object.entries(fields)
      .map(([name, value]) => [JSON.stringify(name), stringify(value)] as const)
      .filter(([, text]) => text !== undefined)
      .map((pair) => pair.join(':'))
      .join(',')}}`;
  }
}

/** JSON of anything, where there is some: a log line must not fail. */
function stringify(value: unknown): string | undefined {
  try {
    return JSON.stringify(value, replace);
  } catch (error) {
    return JSON.stringify({ unprintable: error instanceof Error ? error.message : String(error) });
  }
}

function replace(_name: string, value: unknown): unknown {
  if (typeof value === 'string') return value.length > MAX_STRING ? `${value.slice(0, MAX_STRING)}…` : value;
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Error) {
    const { name, message, stack, cause } = value;
    return {
      name,
      ...('code' in value && { code: value.code }),
      message,
      stack,
      ...(cause !== undefined && { cause }),
    };
  }
  return value;
}
