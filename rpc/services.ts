/** The gRPC services of proto/ in the form that clients and servers are made of. */
import protobuf from 'protobufjs';
import { codecOf, root } from './protos.ts';

/** One method, in the shape of a grpc-js method definition. */
export interface Method {
  /** As in `/l7mp.admin.v1.ConfigService/Apply`. */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (value: object) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => object;
  /** The same with pauses for others: a request may hold thousands of objects. */
  readonly requestDeserializeInSlices: (bytes: Buffer) => Promise<object>;
  readonly responseSerialize: (value: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => object;
}

/** The methods of a service by name. @throws Error for an unknown name. */
export function serviceOf(name: string): Readonly<Record<string, Method>> {
  const service = root.lookupService(name);
  return Object.fromEntries(
    service.methodsArray.map((method: protobuf.Method) => {
      // By their full names: several packages have a WatchRequest.
      const request = codecOf<object>(nameOf(method.resolvedRequestType));
      const response = codecOf<object>(nameOf(method.resolvedResponseType));
      return [
        method.name,
        {
          path: `/${name}/${method.name}`,
          requestStream: method.requestStream === true,
          responseStream: method.responseStream === true,
          requestSerialize: request.encode,
          requestDeserialize: request.decode,
          requestDeserializeInSlices: request.decodeInSlices,
          responseSerialize: response.encode,
          responseDeserialize: response.decode,
        },
      ];
    }),
  );
}

function nameOf(type: protobuf.Type | null): string {
  if (type === null) throw new Error('the protos are not resolved');
  return type.fullName;
}
