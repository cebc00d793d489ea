/** Typed methods on top of undecoded messages: the four kinds of calls. */
import { isOver } from '../../common/signal.ts';
import type { Method } from '../../rpc/services.ts';
import {
  type Bidirectional,
  type Call,
  type ClientStreaming,
  RpcError,
  type ServerStreaming,
  STATUS,
  type Unary,
} from '../core/rpc.ts';
import type { ServerStream } from './server-stream.ts';

export type TypedMethod = Unary | ServerStreaming | ClientStreaming | Bidirectional;

/** Sets the handlers of a stream so that a typed method answers it. */
export function serveMethod(stream: ServerStream, method: Method, handler: TypedMethod): void {
  const requests = new Requests(stream, method);
  // What a method takes and gives follows from its descriptor, which the types of TypedMethod can't say.
  const call = handler as (request: unknown, call: Call) => Promise<object> | AsyncIterable<object>;
  const run = async (): Promise<void> => {
    const request = method.requestStream ? requests : await requests.only();
    const answer = call(request, stream.call);
    if (method.responseStream) await writeAll(stream, method, answer as AsyncIterable<object>);
    else stream.write([method.responseSerialize(await (answer as Promise<object>))]);
    stream.end(STATUS.OK, '');
  };
  run().catch((error: unknown) => stream.fail(error));
}

async function writeAll(stream: ServerStream, method: Method, answers: AsyncIterable<object>): Promise<void> {
  let wake: () => void = () => {};
  stream.onDrain = () => wake();
  const { signal } = stream.call;
  signal.addEventListener('abort', () => wake(), { once: true });
  for await (const answer of answers) {
    if (stream.closed) return;
    if (stream.write([method.responseSerialize(answer)])) continue;
    if (!isOver(signal)) await new Promise<void>((resolve) => (wake = resolve));
  }
}

/** The requests of a call; the client is held as long as one of them waits to be taken. */
class Requests implements AsyncIterable<object> {
  readonly #stream: ServerStream;
  readonly #method: Method;
  readonly #waiting: Buffer[] = [];
  #ended = false;
  #wake: () => void = () => {};

  constructor(stream: ServerStream, method: Method) {
    this.#stream = stream;
    this.#method = method;
    stream.onMessage = (bytes) => {
      this.#waiting.push(bytes);
      stream.pause();
      this.#wake();
    };
    stream.onEnd = () => {
      this.#ended = true;
      this.#wake();
    };
    stream.onClose = () => this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<object> {
    for (;;) {
      const bytes = this.#waiting.shift();
      if (bytes !== undefined) {
        if (this.#waiting.length === 0) this.#stream.resume();
        yield await this.#decode(bytes);
      } else if (this.#ended) {
        return;
      } else if (this.#stream.closed) {
        // Not an end: what came may be a part of what the client wanted to say.
        throw new RpcError(STATUS.CANCELLED, 'the call is over');
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
  }

  /** The request of a call that has one. */
  async only(): Promise<object> {
    const found: object[] = [];
    for await (const request of this) {
      found.push(request);
      if (found.length > 1) break;
    }
    const [request] = found;
    if (request === undefined || found.length > 1) {
      throw new RpcError(STATUS.INVALID_ARGUMENT, `expected one message, found ${request ? 'more' : 'none'}`);
    }
    return request;
  }

  async #decode(bytes: Buffer): Promise<object> {
    try {
      return await this.#method.requestDeserializeInSlices(bytes);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new RpcError(STATUS.INVALID_ARGUMENT, `expected a request of ${this.#method.path}: ${reason}`);
    }
  }
}
