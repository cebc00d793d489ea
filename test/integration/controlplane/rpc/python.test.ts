/** Health and reflection of the gRPC server, and the end of its calls, asked by grpcio: gRPC's C core. */
import { expect } from 'chai';
import type { Service } from '../../../../controlplane/core/rpc.ts';
import { RpcError, STATUS } from '../../../../controlplane/core/rpc.ts';
import { createHealth } from '../../../../controlplane/rpc/health.ts';
import { createReflection } from '../../../../controlplane/rpc/reflection.ts';
import { clientOf, closers, serve, statusOf } from '../../../support/grpc.ts';
import { packageVersion, Peer, PYTHON } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';

const CONFIG = 'l7mp.admin.v1.ConfigService';
const DISCOVERY = 'envoy.service.discovery.v3.AggregatedDiscoveryService';
const cleanup = closers();

/** Runs Python on `channel`, and gives the lines that it prints. */
async function python(port: number, ...lines: readonly string[]): Promise<readonly string[]> {
  const code = ['import grpc', `channel = grpc.insecure_channel('127.0.0.1:${port}')`, ...lines].join('\n');
  const peer = new Peer(PYTHON, ['-c', code]);
  expect(await peer.exit, peer.stderr).to.equal(0);
  return peer.stdout.trim().split('\n');
}

describe(`health of the gRPC server, asked by ${packageVersion('grpcio')}`, () => {
  afterEach(() => cleanup.run());

  it('is told to whoever asks, without an identity', async () => {
    const health = createHealth([CONFIG]);
    health.set('', 'SERVING');
    const authenticate = () => {
      throw new RpcError(STATUS.UNAUTHENTICATED, 'nobody');
    };
    const { port } = await serve([health.service], { authenticate }, cleanup);
    const found = await python(
      port,
      'from grpc_health.v1 import health_pb2 as m, health_pb2_grpc as s',
      'stub = s.HealthStub(channel)',
      `for name in ['', '${CONFIG}']: print(stub.Check(m.HealthCheckRequest(service=name)).status)`,
      "try: stub.Check(m.HealthCheckRequest(service='other'))",
      'except grpc.RpcError as e: print(e.code().name)',
      "watch = stub.Watch(m.HealthCheckRequest(service='other'))",
      'print(next(watch).status)',
      'watch.cancel()',
    );
    expect(found).to.deep.equal(['1', '2', 'NOT_FOUND', '3']);
  });

  it('is told as it changes', async () => {
    const health = createHealth([CONFIG]);
    const { port } = await serve([health.service], {}, cleanup);
    const watch = clientOf('grpc.health.v1.Health', port, cleanup).serverStream('Watch', { service: CONFIG });
    const statuses: string[] = [];
    watch.on('error', () => undefined);
    watch.on('data', ({ status }: { status: string }) => statuses.push(status));
    await until('the first status', () => statuses.length === 1);
    health.set(CONFIG, 'SERVING');
    await until('the second status', () => statuses.length === 2);
    expect(statuses).to.deep.equal(['NOT_SERVING', 'SERVING']);
    watch.cancel();
  });
});

describe(`reflection of the gRPC server, asked by ${packageVersion('grpcio-reflection')}`, () => {
  afterEach(() => cleanup.run());

  const services: readonly Service[] = [...createReflection([CONFIG])];

  it('lists services, and has the files of messages, with options and all that they import', async () => {
    const { port } = await serve(services, {}, cleanup);
    const found = await python(
      port,
      'from google.protobuf.descriptor_pool import DescriptorPool',
      'from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase',
      'database = ProtoReflectionDescriptorDatabase(channel)', // it asks under the older name
      'pool = DescriptorPool(database)',
      'print(sorted(database.get_services()))',
      `print(pool.FindServiceByName('${CONFIG}').methods_by_name['Apply'].input_type.full_name)`,
      "print(pool.FindMessageTypeByName('l7mp.config.v1.Listener').fields_by_name['name'].has_options)",
      "print(pool.FindMessageTypeByName('envoy.service.discovery.v3.DeltaDiscoveryResponse').full_name)",
      'try: pool.FindMessageTypeByName("no.Such")',
      'except KeyError: print("none")',
    );
    expect(found).to.deep.equal([
      `['grpc.reflection.v1.ServerReflection', '${CONFIG}']`,
      'l7mp.admin.v1.ApplyRequest',
      'True',
      'envoy.service.discovery.v3.DeltaDiscoveryResponse',
      'none',
    ]);
  });

  it('has files by name, and extensions', async () => {
    const { port } = await serve(services, {}, cleanup);
    const client = clientOf('grpc.reflection.v1.ServerReflection', port, cleanup);
    const stream = client.bidirectional('ServerReflectionInfo');
    const answers: object[] = [];
    stream.on('data', (answer: object) => answers.push(answer));
    for (const request of [
      { file_by_filename: 'l7mp/config/v1/options.proto' },
      { file_by_filename: 'no.proto' },
      { all_extension_numbers_of_type: 'google.protobuf.FieldOptions' },
      { file_containing_extension: { containing_type: 'google.protobuf.FieldOptions', extension_number: 50001 } },
      {},
    ]) {
      stream.write(request);
    }
    await until('the answers', () => answers.length === 5);
    const ended = statusOf(stream);
    stream.end();
    await ended;
    expect(answers[0]).to.have.nested.property('file_descriptor_response.file_descriptor_proto[0]');
    expect(answers[1]).to.deep.include({ error_response: { error_code: 5, error_message: 'there is no no.proto' } });
    expect(answers[2]).to.have.nested.property('all_extension_numbers_response.extension_number.length').greaterThan(0);
    expect(answers[4]).to.have.nested.property('error_response.error_code', 3);
  });
});

describe(`calls that the server ends, of ${packageVersion('grpcio')}`, () => {
  afterEach(() => cleanup.run());

  const service: Service = {
    name: DISCOVERY,
    raw: {
      DeltaAggregatedResources: (stream) => {
        stream.onMessage = (bytes) => void stream.write([bytes]);
        stream.onEnd = () => stream.end(STATUS.OK, '');
      },
      StreamAggregatedResources: (stream) => {
        stream.onMessage = () => stream.end(STATUS.ABORTED, 'no more');
      },
    },
  };

  it('have their status though the client goes on sending, and streams that are opened meanwhile are served', async () => {
    const { port } = await serve([service], {}, cleanup);
    const found = await python(
      port,
      'import threading',
      'from concurrent.futures import ThreadPoolExecutor',
      'def call(method, over):',
      '  def requests():',
      "    for _ in range(5): yield b'x' * 5000",
      '    over.wait()',
      '  stream = channel.stream_stream(',
      `    '/${DISCOVERY}/' + method, request_serializer=lambda b: b, response_deserializer=lambda b: b)`,
      '  return stream(requests(), timeout=20)',
      'def ended(method):',
      '  over = threading.Event()',
      '  try: return str(list(call(method, over)))',
      '  except grpc.RpcError as e: return e.code().name',
      '  finally: over.set()',
      'def served():',
      '  over = threading.Event()',
      '  try:',
      "    stream = call('DeltaAggregatedResources', over)",
      '    for _ in range(5): assert len(next(stream)) == 5000',
      '    over.set()',
      '    return str(len(list(stream)))',
      '  except grpc.RpcError as e: return e.code().name',
      '  finally: over.set()',
      'def work(_):',
      "  return ' '.join([ended('StreamAggregatedResources'), served(), ended('Nothing'), served()])",
      'with ThreadPoolExecutor(8) as pool: results = set(pool.map(work, range(80)))',
      "print('\\n'.join(sorted(results)))",
    );
    expect(found).to.deep.equal(['ABORTED 0 UNIMPLEMENTED 0']);
  });
});
