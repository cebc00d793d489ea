/** What became of a configuration file that was read again. Types only. */

export interface Reloads {
  /** That were made live. */
  readonly succeeded: number;
  /** That were refused: the configuration before stayed. */
  readonly failed: number;
  /** The last one, where it was refused; undefined where it was made live, or there was none. */
  readonly refusal: Refusal | undefined;
}

export interface Refusal {
  /** In ms since the epoch. */
  readonly at: number;
  /** Its path, or `-`. */
  readonly file: string;
  /** All that is wrong, as in `listeners[0].spec.port: expected …, found … (line 7)`. */
  readonly faults: readonly string[];
}
