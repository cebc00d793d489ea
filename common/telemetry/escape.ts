/** A peer's text in our lines: it must not make lines of its own, nor steer terminals. */

/** Control characters, DEL and C1 among them, and what Unicode counts as ends of lines. */
// eslint-disable-next-line no-control-regex -- they are what is looked for
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/gu;
/** The same, and what ends a quoted field. */
// eslint-disable-next-line no-control-regex -- they are what is looked for
const CONTROLS_AND_QUOTES = /[\u0000-\u001f\u007f-\u009f\u2028\u2029"\\]/gu;

/** JSON on one line: what `JSON.stringify` leaves of the controls is escaped as JSON escapes. */
export function escapeJson(json: string): string {
  return json.replace(CONTROLS, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Plain text for a template, which may have it in quotes: `\x0a`, `\x22`, … as nginx writes. */
export function escapeText(text: string): string {
  return text.replace(CONTROLS_AND_QUOTES, (special) => `\\x${special.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** Plain text for people: controls become spaces. */
export function flatten(text: string): string {
  return text.replace(CONTROLS, ' ');
}
