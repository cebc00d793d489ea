/** A terminal that shows lines: only those are written that have changed, and all is as it was in the end. */
import type { ReadStream, WriteStream } from 'node:tty';
import { keysOf } from './state.ts';

/** The alternate screen, without a cursor, and lines that are cut, not wrapped (xterm's control sequences). */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
const REST_OF_LINE = '\x1b[K';

export interface Line {
  readonly text: string;
  /** Shown as bars are. */
  readonly isInverse?: boolean;
}

export class Screen {
  private readonly input: ReadStream;
  private readonly output: WriteStream;
  /** What stands there. */
  private shown: string[] = [];
  private readonly onData: (data: Buffer) => void;
  private readonly onResize: () => void;

  /** `onKey`: of each key; `onResize`: all has to be shown anew. */
  constructor(input: ReadStream, output: WriteStream, onKey: (key: string) => void, onResize: () => void) {
    this.input = input;
    this.output = output;
    this.onData = (data) => {
      for (const key of keysOf(data.toString('utf8'))) onKey(key);
    };
    this.onResize = () => {
      this.shown = [];
      output.write('\x1b[2J');
      onResize();
    };
    output.write(ENTER);
    output.on('resize', this.onResize);
    input.setRawMode(true);
    input.on('data', this.onData).resume();
  }

  get columns(): number {
    return this.output.columns || 80;
  }

  get rows(): number {
    return this.output.rows || 24;
  }

  show(lines: readonly Line[]): void {
    const wanted = Array.from({ length: this.rows }, (_, row) => toText(lines[row], this.columns));
    const changes = wanted.flatMap((text, row) => (text === this.shown[row] ? [] : [`\x1b[${row + 1};1H${text}`]));
    this.shown = wanted;
    // In one piece: nobody sees half of it.
    if (changes.length > 0) this.output.write(changes.join(''));
  }

  close(): void {
    this.output.off('resize', this.onResize);
    this.input.off('data', this.onData).pause();
    this.input.setRawMode(false);
    this.output.write(LEAVE);
  }
}

function toText(line: Line | undefined, columns: number): string {
  const text = line?.text.slice(0, columns) ?? '';
  if (line?.isInverse) return `\x1b[7m${text.padEnd(columns)}\x1b[0m`;
  // Behind the last column there is no rest: the last letter would go.
  return text.length < columns ? text + REST_OF_LINE : text;
}
