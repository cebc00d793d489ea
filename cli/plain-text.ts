/** Text of others on a terminal: nothing in it moves the cursor, nor does anything else but show. */

/** Control characters, and what else shows nothing, are written as in JSON. */
export function plain(text: string): string {
  return text.replace(/\p{C}/gu, (control) => {
    const code = control.codePointAt(0) ?? 0;
    return `\\u${code.toString(16).padStart(4, '0')}`;
  });
}
