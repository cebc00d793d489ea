/** How Logger writes a chunk: as text, in hexadecimal, or as a JSON object. */
import type { LoggerCluster } from '../../../gen/l7mp/config/v1/types.ts';

/** The lines of one chunk, without the newline behind the last. */
export type Format = (chunk: Buffer) => string;

/** Makes a format for one session. */
export function createFormat({ format, log_prefix }: LoggerCluster, session: string, now = () => new Date()): Format {
  const prefix = log_prefix === undefined || log_prefix === '' ? '' : `${log_prefix}: `;
  switch (format) {
    case 'text':
      return (chunk) =>
        toLines(chunk.toString())
          .map((line) => prefix + line)
          .join('\n');
    case 'hex':
      return (chunk) => prefix + chunk.toString('hex');
    case 'json':
      return (chunk) =>
        JSON.stringify({
          time: now().toISOString(),
          ...(prefix !== '' && { prefix: log_prefix }),
          session,
          payload: chunk.toString('base64'),
        });
  }
}

/** What a terminal would obey is escaped. */
function toLines(text: string): string[] {
  const lines = text.split(/\r?\n/u);
  if (lines.length > 1 && lines.at(-1) === '') lines.pop();
  return lines.map((line) => line.replace(CONTROL, escape));
}

// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/gu;

function escape(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
