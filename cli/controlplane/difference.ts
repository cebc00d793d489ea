/** What a change does to an object, line by line. */
import { textDifference } from '../../common/text-difference.ts';
import type { Change, Object as ConfigObject } from '../../gen/messages.ts';
import { toYaml } from '../../controlplane/model/object-text.ts';
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
  const text = (object: ConfigObject | undefined): string | undefined => object && toYaml([object]);
  const patch = textDifference(formatKey(key), text(before), text(after));
  return colored ? patch.split('\n').map(colorLine).join('\n') : patch;
}

function colorLine(line: string): string {
  const color = COLORS.find(([prefix]) => line.startsWith(prefix))?.[1];
  return color === undefined ? line : `\x1b[${color}m${line}\x1b[0m`;
}
