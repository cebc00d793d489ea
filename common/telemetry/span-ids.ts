/** Identifiers of traces and spans: a trace's is drawn before it is decided whether it is recorded. */
import { type IdGenerator, RandomIdGenerator } from '@opentelemetry/sdk-trace';

export class SpanIdSource implements IdGenerator {
  /** What the next trace is called; undefined: any. */
  next: string | undefined;
  private readonly random = new RandomIdGenerator();

  newTraceId(): string {
    return this.random.generateTraceId();
  }

  generateTraceId(): string {
    const id = this.next ?? this.newTraceId();
    this.next = undefined;
    return id;
  }

  generateSpanId(): string {
    return this.random.generateSpanId();
  }
}
