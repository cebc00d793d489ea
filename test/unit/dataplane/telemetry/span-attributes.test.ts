import { expect } from 'chai';
import { attributesOf } from '../../../../dataplane/telemetry/span-attributes.ts';
import { fakeSession } from '../../../support/admin.ts';

describe('attributes of a span', () => {
  it('have the status of gRPC by its name, where the session was a call', () => {
    const metadata = { HTTP: { method: 'POST' } };
    expect(attributesOf(fakeSession({ metadata, httpStatus: 200, grpcStatus: 14 }))).to.include({
      'http.response.status_code': 200,
      'rpc.system.name': 'grpc',
      'rpc.response.status_code': 'UNAVAILABLE',
    });
    expect(attributesOf(fakeSession({ metadata, httpStatus: 200 }))).to.not.have.any.keys(
      'rpc.system.name',
      'rpc.response.status_code',
    );
  });
});
