/** The access log: a line for each session that has ended. */
import type { Json } from '../../gen/l7mp/config/v1/types.ts';
import { getAt, parsePointer } from '../core/json-pointer.ts';
import { LineWriter } from '../core/line-writer.ts';
import type { SessionView } from '../core/session.ts';

type Field = (session: SessionView) => Json | undefined;

/** The fields of a JSON line, and the commands of a template: `%BYTES_IN%`. `docs/observability.md` explains each. */
const FIELDS: Readonly<Record<string, Field>> = {
  time: ({ startedAt }) => new Date(startedAt).toISOString(),
  session: ({ name }) => name,
  listener: ({ listener }) => listener,
  source: ({ metadata }) => getAt(metadata, ['IP', 'src_addr']),
  rule: ({ rule }) => rule,
  route: ({ route }) => route,
  cluster: ({ destination }) => destination?.origin,
  endpoint: ({ destination }) => destination?.endpoint?.name,
  endpoint_address: ({ destination }) => destination?.endpoint?.address,
  duration_ms: ({ startedAt, endedAt }) => (endedAt ?? Date.now()) - startedAt,
  bytes_in: ({ counters }) => counters.ingress.bytes,
  bytes_out: ({ counters }) => counters.egress.bytes,
  packets_in: ({ counters }) => counters.ingress.packets,
  packets_out: ({ counters }) => counters.egress.packets,
  dropped_in: ({ counters }) => counters.ingress.dropped,
  dropped_out: ({ counters }) => counters.egress.dropped,
  retries: ({ retries }) => retries,
  reason: ({ reason }) => reason,
};

const TEXT_TEMPLATE =
  '[%TIME%] %SESSION% %LISTENER% -> %CLUSTER%/%ENDPOINT% %REASON% %BYTES_IN% %BYTES_OUT% %DURATION_MS%ms';

export interface AccessLog {
  write(session: SessionView): void;
  reopen(): void;
  close(): Promise<void>;
}

/** `format`: `json`, `text`, or a template with `%COMMAND%` and `%{/json/pointer}%` (of the metadata). */
export function createAccessLog(target: string, format: string): AccessLog {
  const writer = new LineWriter(target, (message) => process.stderr.write(`l7mp: access log: ${message}\n`));
  const line = format === 'json' ? formatJson : compileTemplate(format === 'text' ? TEXT_TEMPLATE : format);
  return {
    write: (session) => writer.write(line(session)),
    reopen: () => writer.reopen(),
    close: () => writer.close(),
  };
}

function formatJson(session: SessionView): string {
  return JSON.stringify(Object.fromEntries(Object.entries(FIELDS).map(([name, field]) => [name, field(session)])));
}

/** A command that isn't known stays as it is, so that it is seen. What is absent is `-`. */
function compileTemplate(template: string): (session: SessionView) => string {
  const parts = template.split(/(%[A-Z_]+%|%\{[^}]*\}%)/u).map((part): string | Field => {
    const pointer = /^%\{(.*)\}%$/u.exec(part)?.[1];
    if (pointer !== undefined && /^(\/([^~]|~[01])*)?$/u.test(pointer)) {
      const tokens = parsePointer(pointer);
      return ({ metadata }) => getAt(metadata, tokens);
    }
    return FIELDS[part.slice(1, -1).toLowerCase()] ?? part;
  });
  return (session) => parts.map((part) => (typeof part === 'string' ? part : printable(part(session)))).join('');
}

/** A peer's text must not make lines or steer terminals. */
function printable(value: Json | undefined): string {
  if (value === undefined || value === null || value === '') return '-';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  // eslint-disable-next-line no-control-regex -- they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/gu, (control) => {
    return `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
