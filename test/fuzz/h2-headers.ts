/** Fuzz target: header fields on their way into HTTP/2. Names and values alternate, a line each. */
import { isField } from '../../dataplane/protocols/http/codec.ts';
import { fromList } from '../../dataplane/protocols/http/h2-headers.ts';
import { mutations, texts } from './inputs.ts';

export const inputs = mutations(
  texts('Host\na\nx\ny\nX\nz', 'connection\nclose\ncookie\na=b\ncookie\nc=d', 'date\nx\ndate\ny\nte\ntrailers'),
  ['\n', ':', '__proto__', 'constructor', 'date', 'x', 'transfer-encoding', '\r', '\0', ' '],
);

export function fuzz(data: Buffer): void {
  const list = fieldsOf(data.toString('latin1').split('\n'));
  for (let index = 0; index < list.length; index += 2) {
    const [name = '', value = ''] = list.slice(index, index + 2);
    if (!isField(name, value) || name !== name.toLowerCase())
      throw new Error(`expected a field, found ${name}: ${value}`);
    if (name === 'connection' || name === 'transfer-encoding') throw new Error(`${name} is of one connection only`);
  }
  const again = fieldsOf(list);
  if (JSON.stringify(again) !== JSON.stringify(list)) throw new Error('expected the same fields again');
}

/** What Node.js is given, as it sends it. */
function fieldsOf(list: readonly string[]): string[] {
  return Object.entries(fromList(list)).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [String(value)]).flatMap((each) => [name, each]),
  );
}
