/** What one stream was sent of one type: which responses are not answered yet, and what the client has after it took one. */
import type { Body } from './body.ts';

/** A response that is not answered yet. */
export interface InFlight {
  /** Its number on the stream. */
  readonly nonce: string;
  readonly body: Body;
  /** It holds all that there is: what it lacks is gone (rule 10). */
  readonly whole: boolean;
  /** By `performance.now()`. */
  readonly sentAt: number;
}

export class Sent {
  readonly #inFlight: InFlight[] = [];
  /** The versions of the last complete response that was taken. */
  #taken: ReadonlyMap<string, string> = new Map();
  #lastNonce = '';

  /** The nonce of the last response; empty: there was none. */
  get lastNonce(): string {
    return this.#lastNonce;
  }

  /** How many responses are not answered. */
  get unanswered(): number {
    return this.#inFlight.length;
  }

  /** The number of the oldest response that is not answered; infinite where all are. */
  get oldest(): number {
    return Number(this.#inFlight[0]?.nonce ?? Infinity);
  }

  add(nonce: string, body: Body, whole: boolean): void {
    this.#lastNonce = nonce;
    this.#inFlight.push({ nonce, body, whole, sentAt: performance.now() });
  }

  /** The response of a nonce was answered; gives it back. Earlier ones that were passed over are dropped. */
  answer(nonce: string): InFlight | undefined {
    const index = this.#inFlight.findIndex((each) => each.nonce === nonce);
    if (index < 0) return undefined;
    return this.#inFlight.splice(0, index + 1).at(-1);
  }

  /** What the client no longer has after it took a response. */
  goneAfter({ body, whole }: InFlight): readonly string[] {
    if (!whole) return body.removed;
    const gone = body.goneSince(this.#taken);
    this.#taken = body.versions;
    return gone;
  }
}
