/** Exit codes, and how errors are told. */
import { FaultsError, formatFault, ProxyError } from '../common/errors.ts';

/** The exit codes of every subcommand; the manual page lists them. */
export const EXIT = {
  ok: 0,
  /** It failed while it ran. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** The configuration is wrong. */
  config: 3,
  /** The proxy's REST API or the control plane could not be reached, or refused. */
  api: 4,
  /** What was waited for did not come in time. */
  timeout: 5,
  /** Somebody else changed it meanwhile. */
  conflict: 6,
} as const;

export const EXIT_CODES: readonly (readonly [code: number, meaning: string])[] = [
  [EXIT.ok, 'success; a proxy that was told to stop has drained'],
  [EXIT.failed, 'failed while running: a session broke, a file could not be read; diff: there is a difference'],
  [EXIT.usage, 'the command line is wrong, an address on it included'],
  [EXIT.config, 'the configuration is wrong, or a listener could not listen'],
  [
    EXIT.api,
    "the proxy's REST API, the control plane or the cluster's API server could not be reached, or refused the request",
  ],
  [
    EXIT.timeout,
    'wait, apply --wait: not all proxies were there in time; a rollout was rolled back; install, uninstall: not in time',
  ],
  [EXIT.conflict, 'somebody else changed the configuration meanwhile: look again, then apply again'],
];

/** The command line is wrong: every message is one thing. */
export class UsageError extends Error {
  readonly messages: readonly string[];

  constructor(...messages: readonly string[]) {
    super(messages.join('\n'));
    this.messages = messages;
  }
}

/** The REST API or the control plane could not be reached, or refused. */
export class ApiError extends Error {}

/** Files are wrong: every message is one thing, with its file and line. */
export class FilesError extends Error {
  readonly messages: readonly string[];

  constructor(messages: readonly string[]) {
    super(messages.join('\n'));
    this.messages = messages;
  }
}

/** What was waited for did not come. */
export class TimeoutError extends Error {}

/** Somebody else was faster. */
export class ConflictError extends Error {}

/** How long what is still open may keep the process when all is done, in ms. */
const LINGER = 1000;

/** Ends the process where it has not ended by itself a second from now. */
export function endSoon(end: () => void = () => process.exit()): void {
  setTimeout(end, LINGER).unref();
}

/** Says what is wrong on stderr, and gives the exit code. No stack traces: those are for bugs. */
export function reportError(error: unknown): number {
  if (error instanceof FaultsError) {
    for (const fault of error.faults) console.error(`l7mp: ${formatFault(fault)}`);
    return EXIT.config;
  }
  if (error instanceof UsageError) {
    for (const message of error.messages) console.error(`l7mp: ${message}`);
    return EXIT.usage;
  }
  if (error instanceof FilesError) {
    for (const message of error.messages) console.error(message);
    return EXIT.config;
  }
  for (const [kind, code] of [
    [ApiError, EXIT.api],
    [TimeoutError, EXIT.timeout],
    [ConflictError, EXIT.conflict],
  ] as const) {
    if (!(error instanceof kind)) continue;
    console.error(`l7mp: ${error.message}`);
    return code;
  }
  if (error instanceof ProxyError || (error instanceof Error && 'syscall' in error)) {
    const found = ProxyError.from(error);
    console.error(`l7mp: ${found.message}`);
    return found.code === 'INVALID_CONFIG' || couldNotListen(found) ? EXIT.config : EXIT.failed;
  }
  console.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT.failed;
}

function couldNotListen({ code, cause }: ProxyError): boolean {
  return code === 'ADDRESS_IN_USE' || (cause as { syscall?: unknown } | undefined)?.syscall === 'listen';
}
