/** The access log: a line for each session that has ended. docs/observability.md explains each field. */
import type { Json } from '../../gen/l7mp/config/v1/types.ts';
import { formatEnd } from '../../common/format-address.ts';
import { getAt, parsePointer } from '../../common/json-pointer.ts';
import { LineWriter } from '../../common/line-writer.ts';
import type { Metadata, SessionView } from '../core/session.ts';
import { failureOf } from '../core/failures.ts';
import { escapeJson, escapeText } from '../../common/telemetry/escape.ts';

type Field = (session: SessionView) => Json | undefined;

/** The fields of a JSON line, and, in capitals, the commands of a template: `%BYTES_IN%`. */
export const FIELDS: Readonly<Record<string, Field>> = {
  time: ({ startedAt }) => new Date(startedAt).toISOString(),
  session: ({ name }) => name,
  listener: ({ listener }) => listener,
  source: ({ metadata }) => sourceOf(metadata),
  rulelist: ({ rulelist }) => rulelist,
  rule: ({ rule }) => rule,
  route: ({ route }) => route,
  cluster: ({ destination }) => destination?.origin,
  endpoint: ({ destination }) => destination?.endpoint?.name,
  endpoint_address: ({ destination }) =>
    destination?.endpoint && formatEnd(destination.endpoint.address, destination.endpoint.port),
  duration_ms: ({ elapsed }) => Math.round(elapsed),
  bytes_in: ({ counters }) => counters.ingress.bytes,
  bytes_out: ({ counters }) => counters.egress.bytes,
  packets_in: ({ counters }) => counters.ingress.packets,
  packets_out: ({ counters }) => counters.egress.packets,
  dropped_in: ({ counters }) => counters.ingress.dropped,
  dropped_out: ({ counters }) => counters.egress.dropped,
  retries: ({ retries }) => retries,
  reason: ({ reason }) => reason,
  method: ({ metadata }) => getAt(metadata, ['HTTP', 'method']),
  path: ({ metadata }) => getAt(metadata, ['HTTP', 'url', 'path']),
  http_status: ({ httpStatus }) => httpStatus,
  grpc_status: ({ grpcStatus }) => grpcStatus,
  trace_id: ({ trace }) => trace?.traceId,
  span_id: ({ trace }) => trace?.spanId,
};

const TEXT_TEMPLATE =
  '[%TIME%] %SESSION% %LISTENER% -> %CLUSTER%/%ENDPOINT% %REASON% in=%BYTES_IN% out=%BYTES_OUT% %DURATION_MS%ms';
/** At the end, so that the fields before it stand where they do for other protocols; in quotes, as paths may have spaces. */
const HTTP_TEMPLATE = `${TEXT_TEMPLATE} "%METHOD% %PATH%" %HTTP_STATUS% trace=%TRACE_ID%`;

export interface AccessLog {
  /** Lines that found no room, or could not be written; undefined where others count them. */
  readonly linesLost: number | undefined;
  write(session: SessionView): void;
  reopen(): void;
  close(): Promise<void>;
}

/** Whether its listener wants a line of it. */
export function isLogged(session: SessionView): boolean {
  const { sessions, percent } = session.telemetry?.access_log ?? { sessions: 'all', percent: 100 };
  if (sessions === 'none') return false;
  if (failureOf(session) !== undefined) return true;
  return sessions === 'all' && (percent >= 100 || Math.random() * 100 < percent);
}

/** `format`: `json`, `text`, or a template with `%COMMAND%` and `%{/json/pointer}%` (of the metadata). */
export function createAccessLog(target: string, format: string): AccessLog {
  const writer = new LineWriter(target, (message) => process.stderr.write(`l7mp: access log: ${message}\n`));
  const line = lineOf(format);
  return {
    get linesLost() {
      return writer.linesLost;
    },
    write: (session) => writer.write(line(session)),
    reopen: () => writer.reopen(),
    close: () => writer.close(),
  };
}

/** Formats of listeners that are kept ready. */
const MAX_FORMATS = 100;

/** Lines in the format of a session's listener, or else in this one. */
export function lineOf(format: string): (session: SessionView) => string {
  const formatters = new Map<string, (session: SessionView) => string>();
  return (session) => {
    const wanted = session.telemetry?.access_log.format ?? format;
    let line = formatters.get(wanted);
    if (line === undefined) {
      if (formatters.size >= MAX_FORMATS) formatters.clear();
      formatters.set(wanted, (line = formatter(wanted)));
    }
    return line(session);
  };
}

/** What makes lines of a format. */
export function formatter(format: string): (session: SessionView) => string {
  if (format === 'json') return formatJson;
  return format === 'text' ? textFormatter() : compileTemplate(format);
}

function textFormatter(): (session: SessionView) => string {
  const [plain, http] = [compileTemplate(TEXT_TEMPLATE), compileTemplate(HTTP_TEMPLATE)];
  return (session) => (session.metadata['HTTP'] === undefined ? plain : http)(session);
}

function formatJson(session: SessionView): string {
  const values: Record<string, Json | undefined> = {};
  for (const [name, field] of Object.entries(FIELDS)) values[name] = field(session);
  return escapeJson(JSON.stringify(values));
}

/** A command that isn't known stays as it is, so that it is seen. What is absent is `-`. */
function compileTemplate(template: string): (session: SessionView) => string {
  const parts = template.split(/(%[A-Z_]+%|%\{[^}]*\}%)/u).map((part): string | Field => {
    const pointer = /^%\{(.*)\}%$/u.exec(part)?.[1];
    if (pointer !== undefined && /^(\/([^~]|~[01])*)?$/u.test(pointer)) {
      const tokens = parsePointer(pointer);
      return ({ metadata }) => getAt(metadata, tokens);
    }
    const name = /^%([A-Z_]+)%$/u.exec(part)?.[1]?.toLowerCase() ?? '';
    return Object.hasOwn(FIELDS, name) ? (FIELDS[name] ?? part) : part;
  });
  return (session) => parts.map((part) => (typeof part === 'string' ? part : printable(part(session)))).join('');
}

function printable(value: Json | undefined): string {
  if (value === undefined || value === null || value === '') return '-';
  return escapeText(typeof value === 'string' ? value : JSON.stringify(value));
}

/** The client's address and port, whatever the protocol. */
function sourceOf(metadata: Metadata): string | undefined {
  const address = getAt(metadata, ['IP', 'src_addr']);
  if (typeof address !== 'string') return undefined;
  for (const protocol of ['UDP', 'TCP', 'SCTP']) {
    const port = getAt(metadata, [protocol, 'src_port']);
    if (typeof port === 'number') return formatEnd(address, port);
  }
  return address;
}
