import { expect } from 'chai';
import { Peer, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';

const http = (more: object = {}): object => ({ protocol: 'HTTP', ...more });
const echo = { spec: { protocol: 'Echo' } };
const at = { address: '127.0.0.1', port: 0 };

describe(`JSONSocket over HTTP, with ${versionOf('curl', '--version')}`, () => {
  let server: TestProxy | undefined;
  let proxy: TestProxy | undefined;

  afterEach(async () => {
    await proxy?.close();
    await server?.close();
    proxy = server = undefined;
  });

  const curl = async (...args: string[]): Promise<string> => {
    const peer = new Peer('curl', ['-si', '--max-time', '10', ...args, `http://127.0.0.1:${proxy?.port('in')}/`]);
    expect(await peer.exit, peer.stdout).to.equal(0);
    return peer.stdout;
  };

  for (const version of ['1.1', '2']) {
    it(`answers a client itself: the head of the transport in HTTP/${version} is not for it`, async () => {
      server = await startProxy(
        relay({ protocol: 'JSONSocket', transport_spec: http(at) }, echo, {}, { options: { track: 10 } }),
      );
      const transport = http({ port: server.port('in'), version });
      proxy = await startProxy(
        relay(http(at), { spec: { protocol: 'JSONSocket', transport_spec: transport }, endpoints: ['127.0.0.1'] }),
      );
      const [head, body] = (await curl('--data', 'payload')).split('\r\n\r\n');
      expect(head).to.match(/^HTTP\/1.1 200 OK\r\n/u);
      expect(body).to.equal('payload');
      expect(server.sessions()[0]?.metadata['JSONSocket']).to.deep.equal({ JSONSocketVersion: 1 });
    });
  }

  it('takes a client whose body begins with a header, and answers before the payload', async () => {
    proxy = await startProxy(relay({ protocol: 'JSONSocket', transport_spec: http(at) }, echo));
    const [head, body] = (await curl('--data', '{"JSONSocketVersion": 1}payload')).split('\r\n\r\n');
    expect(head).to.match(/^HTTP\/1.1 200 OK\r\n/u);
    expect(body).to.equal('{"JSONSocketVersion":1,"JSONSocketStatus":200,"JSONSocketMessage":"OK"}payload');
  });
});
