import * as grpc from '@grpc/grpc-js';
import { expect } from 'chai';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Call, Service } from '../../../../controlplane/core/rpc.ts';
import { createSecurity, type SecurityOptions } from '../../../../controlplane/security/index.ts';
import type { LogFields } from '../../../../common/log.ts';
import { silentLogger } from '../../../support/doubles.ts';
import { Authority, type Certificate } from '../../../support/certificates.ts';
import { clientOf, type ClientOptions, type Closers, closers, serve } from '../../../support/grpc.ts';
import { versionOf } from '../../../support/peer.ts';

const CONFIG = 'l7mp.admin.v1.ConfigService';
const TOKEN = 'a-token-of-some-length';

/** Answers with who called, as the name of an object. */
const whoAmI: Service = {
  name: CONFIG,
  methods: {
    Get: (_request: unknown, { identity }: Call) => {
      const { name, admin, reader, nodes, labels } = identity;
      const allowed = [...(labels?.values ?? [])].map(([label, values]) => `${label}=${values.join('|')}`);
      const roles = [
        admin && 'admin',
        reader && 'reader',
        ...nodes,
        ...allowed,
        labels?.only === true && 'only',
      ].filter((role) => typeof role === 'string');
      return Promise.resolve({ object: { key: { kind: 'Identity', name: `${name} ${roles.join(' ')}` }, labels: {} } });
    },
  },
};

describe(`who calls the control plane, with grpc-js and ${versionOf('openssl', 'version')}`, () => {
  let directory: string;
  let authority: Authority;
  let stranger: Authority;
  let server: Certificate;
  let edge: Certificate;
  let cleanup: Closers;
  let log: LogFields[];

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    authority = new Authority(directory, 'authority');
    stranger = new Authority(directory, 'stranger');
    server = authority.issue('server', { subject: '/CN=localhost', names: 'DNS:localhost,IP:127.0.0.1' });
    edge = authority.issue('edge', { subject: '/CN=edge-1', names: 'URI:spiffe://mesh/edge-1' });
  });
  after(() => rmSync(directory, { recursive: true }));
  beforeEach(() => {
    cleanup = closers();
    log = [];
  });
  afterEach(() => cleanup.run());

  /** Serves by these options; gives what reads the files again, and the port. */
  async function start(options: Partial<SecurityOptions>): Promise<{ port: number; reload: () => Promise<void> }> {
    const note = (fields: LogFields): void => void log.push(fields);
    const security = await createSecurity(
      { host: '127.0.0.1', ...options },
      { ...silentLogger, warn: note, error: note },
    );
    cleanup.add(() => security.close());
    const { tls, authenticate } = security;
    const running = await serve(
      [whoAmI],
      { authenticate, ...(tls && { tls: { ...tls, requestCert: tls.ca !== undefined } }) },
      cleanup,
    );
    security.onTls = (files) => running.server.setSecureContext(files);
    return { port: running.port, reload: () => security.reload() };
  }

  function clientFiles(own?: Certificate, ca = authority): ClientOptions {
    const read = (file: string | undefined): Buffer | null => (file === undefined ? null : readFileSync(file));
    return { credentials: grpc.credentials.createSsl(read(ca.file), read(own?.key), read(own?.cert)) };
  }

  /** Who a caller is to the server, or why it is refused. */
  async function ask(port: number, options: ClientOptions = {}, token?: string): Promise<string> {
    const client = clientOf(CONFIG, port, cleanup, options);
    try {
      const metadata = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const answer = (await client.unary('Get', {}, { metadata })) as { object: { key: { name: string } } };
      return answer.object.key.name.trim();
    } catch (error) {
      const { code, details } = error as grpc.ServiceError;
      return `${grpc.status[code]}: ${details}`;
    }
  }

  const tls = (): Partial<SecurityOptions> => ({
    tlsCert: server.cert,
    tlsKey: server.key,
    tlsClientCa: authority.file,
  });

  function tokensFile(...entries: readonly object[]): string {
    const file = join(directory, 'tokens.yaml');
    writeFileSync(file, JSON.stringify(entries));
    return file;
  }

  it('is an administrator on this machine, where nothing else is said', async () => {
    const { port } = await start({});
    expect(await ask(port)).to.equal('loopback admin reader *');
    expect(await ask(port, {}, TOKEN), 'a token that nobody asked for').to.equal('loopback admin reader *');
  });

  it('has a token, on this machine, too, where there are tokens', async () => {
    const entries = [
      { name: 'ci', token: TOKEN, roles: ['admin'] },
      { name: 'edge', token: `${TOKEN}-2`, roles: ['proxy'], nodes: ['edge-*'] },
    ];
    const { port } = await start({ tokens: tokensFile(...entries) });
    expect(await ask(port, {}, TOKEN)).to.equal('token:ci admin reader');
    expect(await ask(port, {}, `${TOKEN}-2`)).to.equal('token:edge edge-*');
    expect(await ask(port)).to.equal('UNAUTHENTICATED: expected a bearer token, found nothing');
    expect(await ask(port, {}, `${TOKEN}x`)).to.match(
      /^UNAUTHENTICATED: expected a bearer token of this control plane/u,
    );
    expect(log.map(({ audit, path }) => [audit, path])).to.deep.equal([
      [true, `/${CONFIG}/Get`],
      [true, `/${CONFIG}/Get`],
    ]);
    expect(JSON.stringify(log)).to.not.contain(TOKEN);
  });

  it('reads tokens again; a bad file changes nothing', async () => {
    const file = tokensFile({ name: 'ci', token: TOKEN, roles: ['admin'] });
    const { port, reload } = await start({ tokens: file });
    tokensFile({ name: 'ci', token: 'short', roles: ['admin'] });
    await reload();
    expect(log.map(({ error }) => error)).to.deep.equal([
      `${file}: [0].token: expected at least 16 printable characters without spaces, found text of 5 (line 1)`,
    ]);
    expect(await ask(port, {}, TOKEN)).to.equal('token:ci admin reader');
    tokensFile({ name: 'new', token: `${TOKEN}-new`, roles: ['reader'] });
    await reload();
    expect(await ask(port, {}, `${TOKEN}-new`)).to.equal('token:new reader');
    expect(await ask(port, {}, TOKEN)).to.match(/^UNAUTHENTICATED/u);
  });

  it('has a certificate: the nodes that it may be', async () => {
    const { port } = await start(tls());
    expect(await ask(port, clientFiles(edge))).to.equal('certificate:CN=edge-1 edge-1 spiffe://mesh/edge-1');
  });

  it('has a certificate that says which labels the nodes may have', async () => {
    const names = (uri: string): string => `DNS:edge-2,URI:${uri}`;
    const issue = (file: string, uri: string) => authority.issue(file, { subject: '/CN=edge-2', names: names(uri) });
    const { port } = await start(tls());
    const several = issue('labels', 'l7mp:labels?tenant=a&tenant=b&topology.kubernetes.io/zone=z%2C1');
    expect(await ask(port, clientFiles(several))).to.equal(
      'certificate:CN=edge-2 edge-2 tenant=a|b topology.kubernetes.io/zone=z,1',
    );
    expect(await ask(port, clientFiles(issue('only', 'l7mp:only-labels?tenant=a')))).to.equal(
      'certificate:CN=edge-2 edge-2 tenant=a only',
    );
    expect(await ask(port, clientFiles(issue('typo', 'l7mp:label?tenant=a')))).to.match(
      /^UNAUTHENTICATED: expected a certificate with l7mp:labels\?KEY=VALUE.*found "l7mp:label\?tenant=a"$/u,
    );
  });

  it('has a role by its certificate, or by the options', async () => {
    const ops = authority.issue('ops', { subject: '/O=l7mp:admin/CN=anna' });
    const reader = authority.issue('grafana', { subject: '/CN=grafana' });
    const { port } = await start({ ...tls(), readers: ['graf*'] });
    expect(await ask(port, clientFiles(ops))).to.equal('certificate:CN=anna admin reader');
    expect(await ask(port, clientFiles(reader))).to.equal('certificate:CN=grafana reader');
  });

  it('is nobody without a certificate, with that of a stranger, or with one that has expired', async () => {
    const foreign = stranger.issue('foreign', { subject: '/O=l7mp:admin/CN=edge-1' });
    const expired = authority.issue('expired', { subject: '/CN=edge-1', days: -1 });
    const { port } = await start(tls());
    const wanted = 'UNAUTHENTICATED: expected a client certificate of an authority that is trusted here, found';
    for (const [options, found] of [
      [clientFiles(), 'nothing'],
      [clientFiles(foreign), 'a certificate that is not trusted (UNABLE_TO_VERIFY_LEAF_SIGNATURE)'],
      [clientFiles(expired), 'a certificate that is not trusted (CERT_HAS_EXPIRED)'],
    ] as const) {
      expect(await ask(port, options)).to.equal(`${wanted} ${found}`);
    }
  });

  it('may have either where both are taken; a wrong token is refused in spite of a certificate', async () => {
    const { port } = await start({ ...tls(), tokens: tokensFile({ name: 'ci', token: TOKEN, roles: ['admin'] }) });
    expect(await ask(port, clientFiles(), TOKEN)).to.equal('token:ci admin reader');
    expect(await ask(port, clientFiles(edge))).to.contain('certificate:CN=edge-1');
    expect(await ask(port, clientFiles(edge), 'wrong')).to.match(/^UNAUTHENTICATED/u);
    expect(await ask(port, clientFiles())).to.match(
      /^UNAUTHENTICATED: expected a bearer token or a client certificate/u,
    );
  });

  it('is not talked to by clients that do not trust its certificate', async () => {
    const { port } = await start(tls());
    expect(await ask(port, clientFiles(edge, stranger))).to.match(/^UNAVAILABLE/u);
    expect(await ask(port)).to.match(/^UNAVAILABLE/u);
  });

  it('has a new certificate for new connections, and keeps the old ones', async () => {
    const cert = join(directory, 'current.pem');
    const key = join(directory, 'current.key');
    const put = (from: Certificate): void => {
      for (const [source, target] of [
        [from.cert, cert],
        [from.key, key],
      ] as const) {
        writeFileSync(`${target}.new`, readFileSync(source));
        renameSync(`${target}.new`, target);
      }
    };
    put(server);
    const { port, reload } = await start({ ...tls(), tlsCert: cert, tlsKey: key });
    const client = clientOf(CONFIG, port, cleanup, clientFiles(edge));
    await client.unary('Get', {});
    const state = (): grpc.connectivityState => client.raw.getChannel().getConnectivityState(false);
    expect(state()).to.equal(grpc.connectivityState.READY);

    // Only the certificate has changed: it does not go with the key.
    writeFileSync(cert, readFileSync(edge.cert));
    await reload();
    expect(log).to.have.length(1);
    expect(log[0]?.['error']).to.match(/^--tls-cert, --tls-key: expected a certificate and its key, found /u);

    put(stranger.issue('server-2', { subject: '/CN=localhost', names: 'DNS:localhost,IP:127.0.0.1' }));
    await reload();
    expect(await ask(port, clientFiles(edge, stranger))).to.contain('certificate:CN=edge-1');
    expect(await ask(port, clientFiles(edge))).to.match(/^UNAVAILABLE/u);
    await client.unary('Get', {});
    expect(state()).to.equal(grpc.connectivityState.READY);
  });
});
