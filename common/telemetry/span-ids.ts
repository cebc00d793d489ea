/** Identifiers of traces and spans, drawn as numbers: most are of sessions that aren't recorded, and few of those are asked for them. */
import type { IdGenerator } from '@opentelemetry/sdk-trace';
import type { SpanIds } from './trace-context.ts';

/** Where numbers of 32 bits have their eight digits in a `traceparent`: four of the trace, two of the span. */
const [TRACE_AT, SPAN_AT, END] = [3, 36, 52];
const text = Buffer.from(`00-${'0'.repeat(32)}-${'0'.repeat(16)}-00`, 'latin1');
/** Both digits of each byte, as they stand in text: the first is the high byte. */
const DIGITS = Uint16Array.from({ length: 256 }, (_, byte) =>
  Buffer.from(byte.toString(16).padStart(2, '0'), 'latin1').readUInt16BE(),
);

/** A new trace, and a span in it, that are not recorded. All zero is none; it is as likely as any other. */
export class DrawnIds implements SpanIds {
  readonly sampled = false;
  // One by one, and no arrays: each session has them.
  private readonly a = draw();
  private readonly b = draw();
  private readonly c = draw();
  private readonly d = draw();
  private told: string | undefined;

  /** Where it stands among all traces, from 0 up to 2^32. */
  get share(): number {
    return (this.a ^ this.b ^ this.c ^ this.d) >>> 0;
  }

  get traceparent(): string {
    if (this.told !== undefined) return this.told;
    write(this.a, TRACE_AT);
    write(this.b, TRACE_AT + 8);
    write(this.c, TRACE_AT + 16);
    write(this.d, TRACE_AT + 24);
    write(draw(), SPAN_AT);
    write(draw(), SPAN_AT + 8);
    return (this.told = text.toString('latin1'));
  }

  get traceId(): string {
    return this.traceparent.slice(TRACE_AT, SPAN_AT - 1);
  }

  get spanId(): string {
    return this.traceparent.slice(SPAN_AT, END);
  }
}

/** As `DrawnIds.share`, of one that has come. */
export function shareOf(traceId: string): number {
  let share = 0;
  for (let at = 0; at < 32; at += 8) share ^= parseInt(traceId.slice(at, at + 8), 16);
  return share >>> 0;
}

export class SpanIdSource implements IdGenerator {
  /** What the next trace is called; undefined: any. */
  next: string | undefined;

  generateTraceId(): string {
    const id = this.next ?? new DrawnIds().traceId;
    this.next = undefined;
    return id;
  }

  generateSpanId(): string {
    return new DrawnIds().spanId;
  }
}

/** 32 bits, as a number that needs no place of its own: a signed one. */
function draw(): number {
  return (Math.random() * 0x1_0000_0000) | 0;
}

function write(value: number, at: number): void {
  for (let byte = 0; byte < 4; byte++) {
    const digits = DIGITS[(value >>> (24 - 8 * byte)) & 0xff] ?? 0;
    text[at + 2 * byte] = digits >>> 8;
    text[at + 2 * byte + 1] = digits & 0xff;
  }
}
