/** `l7mp tap`: what passes sessions, to the terminal or a file, until it ends or is interrupted. */
import { once } from 'node:events';
import { constants, type FileHandle, open } from 'node:fs/promises';
import type { Plain } from '../common/address.ts';
import { FaultsError } from '../common/errors.ts';
import { parseText } from '../config/parse.ts';
import type { TapRecord } from '../dataplane/taps/records.ts';
import { type ApiOptions, follow, get, remove } from './api.ts';
import { ApiError, UsageError } from './exit.ts';
import { size } from './sessions.ts';
import type { Format } from './tap/format.ts';

export interface TapOptions extends ApiOptions {
  readonly format: 'text' | 'json' | 'pcap';
  readonly output: string;
  /** What the output holds is overwritten. */
  readonly force?: true;
  readonly side: 'client' | 'upstream';
  readonly direction: 'in' | 'out' | 'both';
  readonly count?: number;
  readonly bytes?: number;
  readonly seconds?: number;
  /** A predicate of rules, as YAML or JSON. */
  readonly match?: string;
  readonly redact?: readonly string[];
  readonly showSecrets?: true;
}

export async function tap(name: string, options: TapOptions): Promise<void> {
  const { format: chosen, output } = options;
  const format = options.json ? 'json' : chosen;
  if (format === 'pcap' && output === '-' && process.stdout.isTTY) {
    throw new UsageError(
      '--format pcap: expected --output FILE, or a program that standard output goes to, found a terminal',
    );
  }
  const request = await requestOf(name, options);
  const convert = await formatOf(format);
  const target = output === '-' ? STDOUT : await openFile(output, options.force ?? false);
  const stopping = new Stopping(options);
  let last: TapRecord | undefined;
  try {
    for await (const line of follow(options, '/api/v1/taps', { tap: request }, stopping.signal)) {
      if (line === '') continue;
      last = JSON.parse(line) as TapRecord;
      tell(last, format, request.redact);
      if (last.type === 'start') stopping.begun(last.tap);
      const text = convert ? convert(last) : `${line}\n`;
      if (text !== undefined) await target.write(text);
    }
  } finally {
    stopping.close();
    await target.close();
  }
  if (last?.type !== 'stop' && !stopping.signal.aborted) {
    throw new ApiError(`expected the tap's end from the proxy at ${options.api}, which went away before it`);
  }
}

/** What people are told beside. */
function tell(record: TapRecord, format: TapOptions['format'], redact: readonly string[]): void {
  if (record.type === 'start' && format === 'pcap' && !redact.some((item) => item.startsWith('payload'))) {
    console.error(
      'l7mp: payloads are written as they pass, also where fields of headers are redacted (--redact payload leaves them out)',
    );
  }
  if (record.type === 'note' && format !== 'text') console.error(`l7mp: session ${record.id}: ${record.message}`);
  if (record.type !== 'stop') return;
  const { reason, sessions, messages, bytes, dropped } = record;
  const lost = dropped.messages === 0 ? '' : `; ${dropped.messages} records with ${size(dropped.bytes)} were dropped`;
  console.error(`l7mp: ${reason}: ${messages} messages with ${size(bytes)}, of ${sessions} sessions${lost}`);
}

/** The first interrupt ends the tap, and the rest is read; the second one ends all. */
class Stopping {
  private readonly abort = new AbortController();
  private readonly options: ApiOptions;
  private tap: number | undefined;
  private readonly onSignal = (): void => {
    const { tap: id } = this;
    this.tap = undefined;
    if (id === undefined) this.abort.abort();
    else remove(this.options, `/api/v1/taps/${id}?by=client`).catch(() => this.abort.abort());
  };

  constructor(options: ApiOptions) {
    this.options = options;
    process.on('SIGINT', this.onSignal).on('SIGTERM', this.onSignal);
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  begun(tapNumber: number): void {
    this.tap = tapNumber;
  }

  close(): void {
    process.off('SIGINT', this.onSignal).off('SIGTERM', this.onSignal);
  }
}

async function requestOf(name: string, options: TapOptions): Promise<{ redact: readonly string[] } & Plain> {
  const { side, direction, count, bytes, seconds, match, redact = [], showSecrets } = options;
  return {
    [await kindOf(name, options)]: name,
    side,
    direction,
    redact,
    ...(count !== undefined && { count }),
    ...(bytes !== undefined && { bytes }),
    ...(seconds !== undefined && { seconds }),
    ...(match !== undefined && { match: await predicate(match) }),
    ...(showSecrets && { secrets: true }),
  };
}

/** Listeners come first: sessions have names that nobody gives a listener. */
async function kindOf(name: string, options: ApiOptions): Promise<'listener' | 'session'> {
  const isThere = async (list: string): Promise<boolean> => {
    try {
      await get(options, `/api/v1/${list}/${encodeURIComponent(name)}`);
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.message.endsWith(': Not Found')) return false;
      throw error;
    }
  };
  if (await isThere('listeners')) return 'listener';
  if (await isThere('sessions')) return 'session';
  throw new ApiError(`expected the name of a listener or of a session (l7mp sessions), found ${JSON.stringify(name)}`);
}

async function predicate(text: string): Promise<unknown> {
  try {
    return (await parseText(text)).raw;
  } catch (error) {
    if (!(error instanceof FaultsError)) throw error;
    throw new UsageError(...error.faults.map(({ expected, found }) => `--match: expected ${expected}, found ${found}`));
  }
}

/** Undefined: as they come. */
async function formatOf(format: TapOptions['format']): Promise<Format | undefined> {
  if (format === 'json') return undefined;
  return format === 'text'
    ? (await import('./tap/text.ts')).textFormat()
    : (await import('./tap/pcap.ts')).pcapFormat();
}

interface Target {
  write(data: Buffer | string): Promise<void>;
  close(): Promise<void>;
}

const STDOUT: Target = {
  write: async (data) => {
    if (!process.stdout.write(data)) await once(process.stdout, 'drain');
  },
  close: () => Promise.resolve(),
};

/**
 * What sessions carry may be secret: nobody else reads it. What the file held is gone when the first of the new comes.
 *
 * @throws UsageError where it holds something that is not to be overwritten
 */
async function openFile(path: string, force: boolean): Promise<Target> {
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
  let holds = await holdsSomething(file);
  if (holds && !force) {
    await file.close();
    throw new UsageError(
      `--output: expected a new file, or --force, found ${JSON.stringify(path)}, which holds something`,
    );
  }
  return {
    write: async (data) => {
      if (holds) await file.truncate();
      holds = false;
      await file.appendFile(data);
    },
    close: () => file.close(),
  };
}

/** Pipes and devices have no size. */
async function holdsSomething(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  return size > 0;
}
