/** WebSocket: messages of 100 bytes a second, one echo under way on each of 50 connections. */
import type { WebSocketOptions, WebSocketResult } from '../load/websocket.ts';
import { type Benchmark, runLoad, withProxy } from '../measurement.ts';

export const websocket: Benchmark = {
  name: 'websocket',
  kind: 'websocket',
  metrics: [{ name: 'websocket-messages', unit: 'messages/s', bar: { of: 'ratio', atLeast: 0.95 } }],
  measure: (measurement) =>
    withProxy(measurement, 'websocket', async () => {
      const { lab, durationMs } = measurement;
      const options = { connections: 50, milliseconds: durationMs } satisfies Partial<WebSocketOptions>;
      const { rate } = await runLoad<WebSocketResult>(lab, 'websocket', options, durationMs + 20_000);
      return { 'websocket-messages': rate };
    }),
};
