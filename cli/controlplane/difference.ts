/** What a change does to an object, line by line. */
import { createTwoFilesPatch } from 'diff';
import type { Change, Object as ConfigObject } from '../../gen/messages.ts';
import { toYaml } from './format.ts';
import { formatKey } from './kinds.ts';

const COLORS: readonly (readonly [prefix: string, code: number])[] = [
  ['---', 1],
  ['+++', 1],
  ['@@', 36],
  ['-', 31],
  ['+', 32],
];

/** In the form of `diff -u`. */
export function difference({ key, before, after }: Change, colored: boolean): string {
  const text = (object: ConfigObject | undefined): string => (object === undefined ? '' : toYaml([object]));
  const name = formatKey(key);
  const patch = createTwoFilesPatch(
    before === undefined ? '/dev/null' : name,
    after === undefined ? '/dev/null' : name,
    text(before),
    text(after),
    undefined,
    undefined,
    { context: 3, headerOptions: { includeIndex: false, includeUnderline: false, includeFileHeaders: true } },
  );
  return colored ? patch.split('\n').map(colorLine).join('\n') : patch;
}

function colorLine(line: string): string {
  const color = COLORS.find(([prefix]) => line.startsWith(prefix))?.[1];
  return color === undefined ? line : `\x1b[${color}m${line}\x1b[0m`;
}
