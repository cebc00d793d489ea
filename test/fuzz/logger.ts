/** Fuzz target: what Logger writes of a chunk. A peer must not steer the terminal, nor make lines in JSON or hexadecimal. */
import { createFormat } from '../../dataplane/protocols/logger/codec.ts';
import { mutations, texts } from './inputs.ts';

export const inputs = mutations(texts('one\ntwo\r\n', '\x1b[31mred\x1b[0m', 'caf\xc3\xa9', '\xc2\x9b31m'), [
  '\x1b[',
  '\r',
  '\n',
  '\x07',
  '\x08',
  '\x7f',
  '\xc2\x85',
  '\xe2\x80\xa8',
  '\0',
]);

export function fuzz(data: Buffer): void {
  for (const log_prefix of [undefined, 'prefix']) {
    const linesOf = (format: 'text' | 'hex' | 'json'): string =>
      createFormat({ log_file: 'stdout', format, ...(log_prefix && { log_prefix }) }, 'session')(data);
    const text = linesOf('text');
    // eslint-disable-next-line no-control-regex -- they are what is looked for
    if (/[\0-\x08\x0b-\x1f\x7f-\x9f]/u.test(text))
      throw new Error(`expected no controls, found ${JSON.stringify(text)}`);
    const start = log_prefix === undefined ? '' : 'prefix: ';
    if (!text.split('\n').every((line) => line.startsWith(start))) throw new Error('expected the prefix on every line');
    const hex = linesOf('hex');
    if (hex !== start + data.toString('hex')) throw new Error(`expected hexadecimal, found ${hex}`);
    const json = linesOf('json');
    const { payload } = JSON.parse(json) as { payload: string };
    if (json.includes('\n') || !Buffer.from(payload, 'base64').equals(data)) throw new Error(`found ${json}`);
  }
}
