/** Servers behind what is configured: each tells its name, by gRPC or by HTTP. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import type { Closers } from '../../../support/grpc.ts';

const same = (bytes: Buffer): Buffer => bytes;

/** `test.Who`: bytes in, the server's name out. */
export const WHO: grpc.ServiceDefinition = {
  Am: {
    path: '/test.Who/Am',
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  },
};

export interface Who {
  Am(
    request: Buffer,
    options: grpc.CallOptions,
    done: (error: grpc.ServiceError | null, name?: Buffer) => void,
  ): grpc.ClientUnaryCall;
}

/** Gives the port. */
export async function grpcBackend(name: string, cleanup: Closers): Promise<number> {
  const server = new grpc.Server();
  const handler: grpc.handleUnaryCall<Buffer, Buffer> = (_call, done) => done(null, Buffer.from(name));
  server.addService(WHO, { Am: handler });
  cleanup.add(() => server.forceShutdown());
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
      if (error) reject(error);
      else resolve(port);
    });
  });
}

/** Gives the port. */
export async function httpBackend(name: string, cleanup: Closers): Promise<number> {
  const server = createServer((_request, response) => void response.end(name));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup.add(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return (server.address() as AddressInfo).port;
}
