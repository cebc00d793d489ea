/** What changed between two texts, line by line, in the form of `diff -u`. */
import { createTwoFilesPatch } from 'diff';

/** Undefined: there is, or was, none. */
export function textDifference(name: string, before: string | undefined, after: string | undefined): string {
  return createTwoFilesPatch(
    before === undefined ? '/dev/null' : name,
    after === undefined ? '/dev/null' : name,
    before ?? '',
    after ?? '',
    undefined,
    undefined,
    { context: 3, headerOptions: { includeIndex: false, includeUnderline: false, includeFileHeaders: true } },
  );
}
