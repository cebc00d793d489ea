/** What a child says on its standard error, line by line in the log. */
import type { Readable } from 'node:stream';
import type { LogFields, Logger } from '../../../common/log.ts';

/** Longer lines are cut into several, in characters. */
const MAX_LINE = 4096;

export function logLines(stderr: Readable, log: Logger, fields: LogFields): void {
  let rest = '';
  const write = (line: string): void => log.warn({ ...fields, stderr: line }, 'a child says');
  stderr.setEncoding('utf8');
  stderr.on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) write(line);
    for (; rest.length > MAX_LINE; rest = rest.slice(MAX_LINE)) write(rest.slice(0, MAX_LINE));
  });
  stderr.on('end', () => {
    if (rest !== '') write(rest);
  });
  stderr.on('error', () => undefined);
}
