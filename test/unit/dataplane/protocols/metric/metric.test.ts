import { expect } from 'chai';
import type { ConnectorContext, ConnectRequest } from '../../../../../dataplane/core/protocol.ts';
import type { Stream } from '../../../../../dataplane/core/stream.ts';
import { createConnector } from '../../../../../dataplane/protocols/metric/connector.ts';
import type { MetricCluster } from '../../../../../gen/l7mp/config/v1/types.ts';
import { RecordingSink } from '../../../../support/recording-sink.ts';

function count(spec: MetricCluster) {
  const named: unknown[] = [];
  const counter = { bytes: 0, packets: 0 };
  const services = {
    meter: {
      counter: (name: string, labels: object) => {
        named.push([name, labels]);
        return counter;
      },
    },
  };
  const connector = createConnector({ name: 'cluster', spec, services } as unknown as ConnectorContext<MetricCluster>);
  const connect = (): { stream: Stream; sink: RecordingSink } => {
    const stream = connector.connect({} as ConnectRequest) as Stream;
    const sink = new RecordingSink();
    stream.open(sink);
    return { stream, sink };
  };
  return { named, counter, connect };
}

describe('Metric', () => {
  it('counts bytes and packets of all its sessions, and passes them on as they are', () => {
    const { counter, connect } = count({ labels: {} });
    const [a, b] = [connect(), connect()];
    a.stream.write(Buffer.from('hello'), true);
    a.stream.write(Buffer.alloc(0), false);
    b.stream.write(Buffer.from('you'), false);
    expect(counter).to.deep.equal({ bytes: 8, packets: 3 });
    expect(a.sink.events).to.deep.equal(['data:hello', 'data:']);
    expect(a.sink.texts).to.deep.equal([true, false]);
  });

  it('is named as configured, or else as its cluster', () => {
    expect(count({ name: 'mine', labels: { a: 'b' } }).named).to.deep.equal([['mine', { a: 'b' }]]);
    expect(count({ labels: {} }).named).to.deep.equal([['cluster', {}]]);
  });
});
