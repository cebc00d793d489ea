/** Identifiers of traces and spans: a trace's is drawn before it is decided whether it is recorded. */
import type { IdGenerator } from '@opentelemetry/sdk-trace';

/** Four hexadecimal digits of each number of 16 bits: every session takes twelve of them, whether it is recorded or not. */
const DIGITS = Array.from({ length: 65_536 }, (_, value) => value.toString(16).padStart(4, '0'));

export class SpanIdSource implements IdGenerator {
  /** What the next trace is called; undefined: any. */
  next: string | undefined;

  newTraceId(): string {
    return eightDigits() + eightDigits() + eightDigits() + eightDigits();
  }

  generateTraceId(): string {
    const id = this.next ?? this.newTraceId();
    this.next = undefined;
    return id;
  }

  generateSpanId(): string {
    return eightDigits() + eightDigits();
  }
}

/** All zero is none; it is as likely as any other. */
function eightDigits(): string {
  const value = Math.random() * 0x1_0000_0000;
  return (DIGITS[value >>> 16] ?? '') + (DIGITS[value & 0xffff] ?? '');
}
