/** Answers that the configuration words, and changes to the header of answers. */
import type { HeaderChanges, Respond } from '../../gen/l7mp/config/v1/types.ts';
import { type Answer, TEXT } from '../core/answer.ts';
import type { HeaderList } from '../core/stream.ts';

/** An answer as a rule or a destination words it. */
export function responseAnswer({ status, headers, body = '' }: Respond): Answer {
  const fields = Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'content-length');
  const isTyped = body === '' || fields.some(([name]) => name.toLowerCase() === 'content-type');
  return { status, headers: [...fields.flat(), ...(isTyped ? [] : ['content-type', TEXT])], body };
}

/** The fields with some removed, then set, then added. */
export function changeHeaders(headers: HeaderList, { set, add, remove }: HeaderChanges): HeaderList {
  const gone = new Set([...remove, ...Object.keys(set)].map((name) => name.toLowerCase()));
  const kept = headers.filter((_, index) => !gone.has((headers[index - (index % 2)] ?? '').toLowerCase()));
  return [...kept, ...Object.entries(set).flat(), ...Object.entries(add).flat()];
}
