/** A tap as text for people: nothing of what passed can write to the terminal but letters. */
import type { DataRecord, SessionRecord, TapRecord } from '../../dataplane/taps/records.ts';
import type { TapDirection } from '../../dataplane/core/tap.ts';
import { jsonObject } from '../../common/json.ts';
import { formatAddress } from '../../common/format-address.ts';
import { plain } from '../plain-text.ts';
import type { Format } from './format.ts';
import { requestHead } from './http-wire.ts';

/** Bytes of one line of hexadecimal digits. */
const WIDTH = 16;

const ARROWS: Readonly<Record<TapDirection, string>> = { in: '->', out: '<-' };

export function textFormat(): Format {
  return (record) => {
    const lines = linesOf(record);
    return lines.length === 0 ? undefined : `${lines.join('\n')}\n`;
  };
}

function linesOf(record: TapRecord): string[] {
  const at = new Date(record.time).toISOString().slice(11, 23);
  switch (record.type) {
    case 'session':
      return [`${at} #${record.id} session ${plain(record.session)}, ${partiesOf(record)}`, ...requestLines(record)];
    case 'data':
      return [`${at} #${record.id} ${ARROWS[record.direction]} ${sizeOf(record)}`, ...payloadLines(record)];
    case 'head': {
      const status = plain(`${record.status} ${record.reason ?? ''}`.trim());
      return [`${at} #${record.id} ${ARROWS[record.direction]} answer ${status}`, ...fieldLines(record.headers)];
    }
    case 'trailers':
      return [`${at} #${record.id} ${ARROWS[record.direction]} trailers`, ...fieldLines(record.headers)];
    case 'end': {
      const why = record.code === undefined ? '' : ` (${record.code} ${plain(record.message ?? '')})`;
      return [`${at} #${record.id} ${ARROWS[record.direction]} end${why}`];
    }
    case 'note':
      return [`${at} #${record.id} ${plain(record.message)}`];
    case 'close': {
      const answer = record.status === undefined ? '' : `, answered ${record.status}`;
      const to = record.cluster === undefined ? '' : `, by cluster ${record.cluster}`;
      return [`${at} #${record.id} closed: ${record.reason}${answer}${plain(to)}`];
    }
    case 'dropped':
      return [`${at} ${record.messages} records with ${record.bytes} bytes are missing here`];
    default:
      return [];
  }
}

function partiesOf({ side, listener, cluster, ends, joined }: SessionRecord): string {
  const way = [ends.from, ends.to].map((end) => (end ? formatAddress(end.address, end.port) : '?')).join(' -> ');
  const to = cluster ? ` to cluster ${cluster.name}` : '';
  return plain(`listener ${listener.name}${to}; ${side} ${way}${joined ? '; it had begun before' : ''}`);
}

/** What was asked, where it is HTTP. */
function requestLines({ metadata }: SessionRecord): string[] {
  if (jsonObject(metadata)['HTTP'] === undefined) return [];
  const { method, target, headers, length } = requestHead(metadata, '');
  const fields = length === undefined ? headers : [...headers, ['content-length', length] as const];
  return [`    ${plain(`${method} ${target}`)}`, ...fieldLines(fields.flat())];
}

function fieldLines(headers: readonly string[]): string[] {
  return headers.flatMap((name, index) =>
    index % 2 === 0 ? [`    ${plain(`${name}: ${headers[index + 1] ?? ''}`)}`] : [],
  );
}

function sizeOf({ length, payload, redacted }: DataRecord): string {
  const shown = payload === undefined ? ', redacted' : redacted ? ', parts are redacted' : '';
  return `${length} ${length === 1 ? 'byte' : 'bytes'}${shown}`;
}

function payloadLines({ payload, encoding }: DataRecord): string[] {
  if (payload === undefined || payload === '') return [];
  if (encoding === undefined && isPrintable(payload)) {
    return payload
      .replace(/\r?\n$/u, '')
      .split(/\r?\n/u)
      .map((line) => `    ${line}`);
  }
  const bytes = Buffer.from(payload, encoding ?? 'utf8');
  return Array.from({ length: Math.ceil(bytes.length / WIDTH) }, (_, row) => hexLine(bytes, row * WIDTH));
}

/** As `hexdump -C` has it. */
function hexLine(bytes: Buffer, at: number): string {
  const part = bytes.subarray(at, at + WIDTH);
  const digits = [...part].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const letters = [...part].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
  return `    ${at.toString(16).padStart(6, '0')}  ${digits.padEnd(WIDTH * 3)} |${letters}|`;
}

/** Letters, and ends of lines. */
function isPrintable(text: string): boolean {
  return !/[^\P{C}\n\r\t]/u.test(text);
}
