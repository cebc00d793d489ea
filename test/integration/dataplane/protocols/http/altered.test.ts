/** Bodies that the proxy changes on their way: the length that either side announced is not theirs any more. */
import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { versionOf } from '../../../../support/peer.ts';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';

const execute = promisify(execFile);
const LISTENER = { protocol: 'HTTP', address: '127.0.0.1', port: 0 };

describe(`A body that is altered on its way, with ${versionOf('curl', '--version')}`, () => {
  let server: Server;
  let proxy: TestProxy | undefined;
  let asked: { headers: IncomingHttpHeaders; body: Buffer } | undefined;

  beforeEach(async () => {
    asked = undefined;
    // It answers with what it was sent, and says how long that is.
    server = createServer((request, response) => {
      void buffer(request).then((body) => {
        asked = { headers: request.headers, body };
        response.setHeader('Content-Length', body.length);
        response.end(body);
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
  });
  afterEach(async () => {
    await proxy?.close();
    server.closeAllConnections();
    server.close();
  });

  const start = async (cluster: object, route: object = {}, listener: object = {}): Promise<void> => {
    const { port } = server.address() as AddressInfo;
    const spec = { protocol: 'HTTP', port };
    proxy = await startProxy(relay(LISTENER, { spec, endpoints: ['127.0.0.1'], ...cluster }, route, listener));
  };

  const post = async (flag: string, body: string): Promise<string> => {
    const url = `http://127.0.0.1:${proxy?.port('in')}/`;
    const args = ['--silent', '--show-error', '--max-time', '8', flag, '--data-binary', body, url];
    return (await execute('curl', args)).stdout;
  };

  for (const flag of ['--http1.1', '--http2-prior-knowledge']) {
    it(`by a cluster's framing (${flag})`, async () => {
      await start({ framing: 'length-prefix-4' });
      expect(await post(flag, 'hello')).to.equal('hello');
      expect(asked?.body.toString('latin1')).to.equal('\0\0\0\x05hello');
      expect(asked?.headers).not.to.have.property('content-length');
    });

    it(`by a listener's framing (${flag})`, async () => {
      await start({}, {}, { options: { framing: 'newline' } });
      // The cluster's answer is one message.
      expect(await post(flag, 'one\ntwo\n')).to.equal('onetwo\n');
      expect(asked?.body.toString()).to.equal('onetwo');
    });

    it(`by a transform before the cluster, and one behind it (${flag})`, async () => {
      await start(
        {},
        { ingress: [{ spec: { protocol: 'JSONEncap' } }], egress: [{ spec: { protocol: 'JSONDecap' } }] },
      );
      expect(await post(flag, 'hello')).to.equal('hello');
      expect(JSON.parse(asked?.body.toString() ?? '')).to.have.property('payload');
    });
  }

  it('keeps its length where all that it passes only looks on', async () => {
    const watching = [{ spec: { protocol: 'Metric', name: 'bytes' } }, { spec: { protocol: 'Echo' } }];
    await start({}, { ingress: watching, egress: watching });
    expect(await post('--http1.1', 'hello')).to.equal('hello');
    expect(asked?.headers['content-length']).to.equal('5');
  });

  it('has no length for a JSONSocket that rides on HTTP', async () => {
    const { port } = server.address() as AddressInfo;
    server.removeAllListeners('request').on('request', (request, response) => {
      response.write('{"JSONSocketVersion":1,"JSONSocketStatus":200}\n');
      void buffer(request).then((body) => {
        asked = { headers: request.headers, body };
        response.end();
      });
    });
    await start({ spec: { protocol: 'JSONSocket', transport_spec: { protocol: 'HTTP', port } } });
    await post('--http1.1', 'hello');
    expect(asked?.headers).not.to.have.property('content-length');
    expect(asked?.body.toString()).to.match(/^\{.*hello$/su);
  });
});
