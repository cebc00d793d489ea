/** Streams that nobody listens to. */
import type { Sink, Stream } from './stream.ts';

export const DEAF: Sink = { data() {}, signal() {}, end() {}, drain() {}, close() {} };

/** Ends a stream that came when nobody waited for it any more. */
export function discard(stream: Stream): void {
  stream.open(DEAF);
  stream.destroy();
}
