/** Requests of HTTP that fail, and what both servers tell their clients then. */
import type { Fault } from './errors.ts';

interface Details {
  /** What was wrong, each with its place. */
  readonly faults?: readonly Fault[];
  /** The methods that the path has. */
  readonly allow?: readonly string[];
}

/** A request that fails with this status. */
export class HttpError extends Error {
  readonly status: number;
  /** For the client: mostly text. */
  readonly content: unknown;
  readonly details: Details;

  constructor(status: number, content: unknown, details: Details = {}) {
    super(typeof content === 'string' ? content : `status ${status}`);
    this.status = status;
    this.content = content;
    this.details = details;
  }

  /** `{status, message, content, faults?}`. `message`: the status in words. */
  toBody(message: string): object {
    const { status, content } = this;
    const { faults = [] } = this.details;
    return { status, message, content, ...(faults.length > 0 && { faults }) };
  }
}

export const badRequest = (message: string): HttpError => new HttpError(400, message);
