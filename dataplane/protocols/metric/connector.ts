/** Metric: a counter of bytes and packets for each name and set of labels, shared by clusters that have the same. */
import type { MetricCluster } from '../../../gen/l7mp/config/v1/types.ts';
import type { Connector, ConnectorContext } from '../../core/protocol.ts';
import { TransformStream, type Transformer } from '../../core/transform-stream.ts';

export function createConnector({ name, spec, services }: ConnectorContext<MetricCluster>): Connector {
  const counter = services.meter.counter(spec.name ?? name, spec.labels);
  const transformer: Transformer = {
    data(chunk, text, emit) {
      counter.bytes += chunk.length;
      counter.packets++;
      emit(chunk, text);
    },
  };
  return { transparent: true, connect: () => new TransformStream(transformer) };
}
