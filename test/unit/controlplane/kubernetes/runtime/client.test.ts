import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { parse } from 'yaml';
import { dirname, join } from 'node:path';
import { KubeError } from '../../../../../controlplane/kubernetes/runtime/errors.ts';
import { openClient } from '../../../../../controlplane/kubernetes/runtime/client.ts';
import type { ResourceType } from '../../../../../controlplane/kubernetes/api/addressing.ts';
import { FaultyServer, refuse, sendJson, service, status, type Answer } from '../../../../support/kube-faults.ts';
import { until } from '../../../../support/until.ts';

const SERVICE: ResourceType = { group: '', version: 'v1', kind: 'Service', plural: 'services', namespaced: true };
const ROUTE: ResourceType = { group: 'example.com', version: 'v1', kind: 'Route', plural: 'routes', namespaced: true };
const web = { namespace: 'default', name: 'web' };

async function failure(promise: Promise<unknown>): Promise<KubeError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof KubeError) return error;
    throw error;
  }
  throw new Error('expected a failure');
}

describe('controlplane/kubernetes/runtime/client', () => {
  let server: FaultyServer;
  const ok: Answer = (response) => sendJson(response, 200, service('web', 1));

  beforeEach(async () => {
    server = await FaultyServer.start();
    server.answer(ok);
  });
  afterEach(() => server.stop());

  it('writes with its field manager, in the way that was asked for', async () => {
    const { client } = server;
    await client.apply(ROUTE, service('web', 1), { force: true });
    await client.mergePatch(ROUTE, web, { status: {} }, { subresource: 'status', dryRun: true });
    await client.jsonPatch(SERVICE, web, [{ op: 'remove', path: '/spec' }]);
    await client.delete(SERVICE, web, { uid: 'abc' });
    const seen = server.asked.map(
      ({ method, path, query, headers }) => `${method} ${path}?${query.toString()} ${headers['content-type']}`,
    );
    expect(seen).to.deep.equal([
      'PATCH /apis/example.com/v1/namespaces/default/routes/web?fieldManager=l7mp&force=true application/apply-patch+yaml',
      'PATCH /apis/example.com/v1/namespaces/default/routes/web/status?fieldManager=l7mp&dryRun=All application/merge-patch+json',
      'PATCH /api/v1/namespaces/default/services/web?fieldManager=l7mp application/json-patch+json',
      'DELETE /api/v1/namespaces/default/services/web? application/json',
    ]);
    expect(JSON.parse(server.asked[3]!.body)).to.deep.include({ preconditions: { uid: 'abc' } });
  });

  it('tells what the server says: code, reason, and fields', async () => {
    const causes = [{ field: 'spec.port', reason: 'FieldValueInvalid', message: 'too large' }];
    server.answer((response) => sendJson(response, 422, status(422, 'Invalid', { details: { causes } })));
    const error = await failure(server.client.get(SERVICE, web));
    expect(error).to.include({ code: 422, reason: 'Invalid', message: 'get Service default/web: no: Invalid' });
    expect(error.causes).to.deep.equal(causes);
  });

  it('tells what a proxy on the way says, and what is no JSON', async () => {
    server.answer((response) => response.writeHead(502).end('<html>bad gateway</html>'));
    expect(await failure(server.client.get(SERVICE, web))).to.include({
      code: 502,
      message: 'get Service default/web: <html>bad gateway</html>',
    });
    server.answer((response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{'));
    expect(await failure(server.client.get(SERVICE, web))).to.include({ code: 0, reason: 'BadAnswer' });
  });

  it('makes a call again after the time that the server wants', async () => {
    server.answer(refuse(429, 'TooManyRequests', { 'retry-after': '1' }), ok);
    await server.client.create(SERVICE, service('web', 1));
    const [first, second] = server.asked;
    expect(second!.at - first!.at).to.be.above(999);
    expect(second!.body).to.equal(first!.body);
    expect(server.client.counters).to.deep.equal({ requests: 2, retries: 1 });
  });

  it('makes no creation again that the server may have made', async () => {
    server.answer(refuse(504, 'Timeout'), ok);
    expect(await failure(server.client.create(SERVICE, service('web', 1)))).to.include({ code: 504 });
    server.answer(refuse(500, 'ServerTimeout'), ok);
    await server.client.get(SERVICE, web);
    expect(server.asked).to.have.length(3);
  });

  it('makes nothing again that is to be made once, where it may have been made', async () => {
    const apply = (): Promise<unknown> => server.client.apply(ROUTE, service('web', 1), { once: true });
    for (const code of [503, 504]) {
      server.answer(refuse(code, 'Timeout'), ok);
      expect(await failure(apply())).to.include({ code });
    }
    await server.client.get(SERVICE, web);
    server.answer((response) => response.socket?.destroy(), ok);
    expect(await failure(apply())).to.include({ reason: 'Unreachable' });
    server.answer(refuse(429, 'TooManyRequests', { 'retry-after': '1' }), ok);
    await apply();
  });

  it('applies any text, in characters that YAML has', async () => {
    const text = '\u0000\u007f\u0085\u2028\ufeff\uffff \u{1f600} ü';
    const object = service('web', 1);
    const labelled = { ...object, metadata: { ...object.metadata, annotations: { text } } };
    await server.client.apply(ROUTE, labelled);
    const { body } = server.asked[0]!;
    expect(parse(body)).to.deep.equal(labelled);
    expect(body).not.to.match(/[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/u);
  });

  it('lists metadata where there is none', async () => {
    server.answer((response) => sendJson(response, 200, { items: null, metadata: { resourceVersion: '1' } }));
    expect((await server.client.list(ROUTE, { namespace: '', metadataOnly: true })).items).to.deep.equal([]);
  });

  it('stops waiting for another try when it is told to', async () => {
    server.answer(refuse(429, 'TooManyRequests', { 'retry-after': '20' }));
    const stop = new AbortController();
    const waiting = failure(server.client.get(SERVICE, web, { signal: stop.signal }));
    await until('a retry', () => server.client.counters.retries === 1);
    stop.abort();
    expect(await waiting).to.include({ reason: 'Aborted' });
    expect(server.asked).to.have.length(1);
  });

  it('gives up a server that does not answer, or not to the end', async () => {
    server.answer(() => {});
    expect(await failure(server.client.get(SERVICE, web, { timeoutMs: 30 }))).to.include({ reason: 'Timeout' });
    server.answer((response) => response.writeHead(200).write('{'));
    expect(await failure(server.client.get(SERVICE, web, { timeoutMs: 30 }))).to.include({ reason: 'Timeout' });
  });

  it('keeps its connection, and is not troubled where that was closed meanwhile', async () => {
    const ports = new Set<number | undefined>();
    server.answer((response) => {
      ports.add(response.socket?.remotePort);
      sendJson(response, 200, service('web', 1));
    });
    await server.client.get(SERVICE, web);
    await server.client.get(SERVICE, web);
    expect(ports.size).to.equal(1);
    // Closed without a word, just as the next request comes.
    server.answer((response) => response.socket?.destroy(), ok);
    await server.client.get(SERVICE, web);
    expect(server.asked).to.have.length(4);
    server.answer((response) => response.socket?.destroy(), ok);
    expect(await failure(server.client.create(SERVICE, service('web', 1)))).to.include({ reason: 'Unreachable' });
  });

  it('ends what runs when it is closed', async () => {
    server.answer(() => {});
    const waiting = failure(server.client.get(SERVICE, web));
    await until('a request', () => server.asked.length === 1);
    server.client.close();
    expect(await waiting).to.include({ reason: 'Aborted' });
  });

  it('gets its token from a plugin that the kubeconfig names, and says why there is none', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'l7mp-kubeconfig-')), 'config');
    const write = (script: string): void => {
      const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: process.execPath, args: ['-e', script] };
      const config = {
        'current-context': 'here',
        clusters: [{ name: 'faulty', cluster: { server: server.url, 'insecure-skip-tls-verify': true } }],
        users: [{ name: 'me', user: { exec } }],
        contexts: [{ name: 'here', context: { cluster: 'faulty', user: 'me', namespace: 'shop' } }],
      };
      writeFileSync(file, JSON.stringify(config));
    };
    write(
      `console.log(JSON.stringify({ status: { token: 'from-plugin', expirationTimestamp: '2100-01-01T00:00:00Z' } }))`,
    );
    const client = await openClient({ file });
    expect(client.namespace).to.equal('shop');
    await client.get(SERVICE, web);
    expect(server.asked[0]!.headers['authorization']).to.equal('Bearer from-plugin');
    client.close();
    write(`console.error('log in first'); process.exit(1)`);
    const without = await openClient({ file });
    expect((await failure(without.get(SERVICE, web))).message).to.match(/no credentials: log in first/u);
    expect((await failure(openClient({ file, context: 'there' }))).message).to.match(/a context "there", found none/u);
    rmSync(dirname(file), { recursive: true });
  });

  it('says which file or context is missing', async () => {
    expect((await failure(openClient({ file: '/nowhere/config' }))).message).to.match(/^\/nowhere\/config: ENOENT/u);
  });
});
