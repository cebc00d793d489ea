/** Resets HTTP/2 streams when that can do no harm. */
import type { ServerHttp2Stream } from 'node:http2';

/**
 * Resets a stream after what is being read now. Node.js 20 tells of streams and their data while nghttp2 still reads, and sends at
 * once what is queued where a stream is reset: nghttp2 may free what it is about to use
 * (https://github.com/nodejs/node/pull/64166, which Node.js 20 does not have).
 */
export function resetSoon(stream: ServerHttp2Stream, code: number): void {
  setImmediate(() => {
    if (!stream.destroyed) stream.close(code);
  });
}
