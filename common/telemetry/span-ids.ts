/** Identifiers of traces and spans: a trace's is drawn before it is decided whether it is recorded. */
import { randomFillSync } from 'node:crypto';
import type { IdGenerator } from '@opentelemetry/sdk-trace';

/** Drawn at once: most sessions take 24 bytes, whether they are recorded or not. */
const POOL_BYTES = 6144;

export class SpanIdSource implements IdGenerator {
  /** What the next trace is called; undefined: any. */
  next: string | undefined;
  private readonly pool = Buffer.alloc(POOL_BYTES);
  private used = POOL_BYTES;

  newTraceId(): string {
    return this.draw(16);
  }

  generateTraceId(): string {
    const id = this.next ?? this.newTraceId();
    this.next = undefined;
    return id;
  }

  generateSpanId(): string {
    return this.draw(8);
  }

  /** All zero is none; it is as likely as any other. */
  private draw(bytes: number): string {
    if (this.used + bytes > POOL_BYTES) {
      randomFillSync(this.pool);
      this.used = 0;
    }
    const from = this.used;
    this.used += bytes;
    return this.pool.toString('hex', from, this.used);
  }
}
