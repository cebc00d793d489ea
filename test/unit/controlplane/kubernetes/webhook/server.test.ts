/** The webhook's server, asked over TLS as the API server does. */
import { expect } from 'chai';
import { request as ask } from 'node:https';
import { TLSSocket } from 'node:tls';
import { serveWebhook, type Webhook } from '../../../../../controlplane/kubernetes/webhook/server.ts';
import { selfSigned } from '../../../../support/self-signed.ts';
import { pod, SETTINGS } from './pods.ts';

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly certificate: string;
}

describe('the server of the webhook', () => {
  const [first, second] = [selfSigned('first'), selfSigned('second')];
  let credentials: { cert: string; key: string };
  let changed: () => void;
  let isWatched: boolean;
  let errors: unknown[];
  let webhook: Webhook;

  beforeEach(async () => {
    credentials = first;
    errors = [];
    const log = {
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      error: (line: unknown) => void errors.push(line),
    };
    webhook = await serveWebhook({
      host: '127.0.0.1',
      port: 0,
      credentials: {
        current: () => credentials,
        watch: (listener) => {
          changed = listener;
          isWatched = true;
          return () => (isWatched = false);
        },
      },
      settings: () => SETTINGS,
      log,
    });
  });
  afterEach(async () => {
    await webhook.close();
    expect(isWatched).to.equal(false);
  });

  function send(method: string, path: string, body: string | Buffer = ''): Promise<Answer> {
    const [host, port] = webhook.address.split(':');
    return new Promise((resolve, reject) => {
      const sent = ask({ host, port, method, path, rejectUnauthorized: false, agent: false }, (response) => {
        const { socket } = response;
        if (!(socket instanceof TLSSocket)) throw new Error('expected TLS');
        const certificate = String(socket.getPeerCertificate().subject.CN);
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text, certificate }));
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  const review = (object: unknown, kind = 'Pod', operation = 'CREATE'): string =>
    JSON.stringify({
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      request: { uid: 'u-1', operation, kind: { group: '', version: 'v1', kind }, namespace: 'default', object },
    });

  interface Response {
    readonly uid: string;
    readonly allowed: boolean;
    readonly patchType?: string;
    readonly patch?: string;
    readonly status?: { readonly message: string };
  }
  const responseOf = ({ text }: Answer): Response => (JSON.parse(text) as { response: Response }).response;

  it('answers a review of a pod with a patch', async () => {
    const answer = await send('POST', '/inject?timeout=5s', review(pod()));
    expect(answer.status).to.equal(200);
    const { uid, allowed, patchType, patch = '' } = responseOf(answer);
    expect({ uid, allowed, patchType }).to.deep.equal({ uid: 'u-1', allowed: true, patchType: 'JSONPatch' });
    expect(JSON.parse(Buffer.from(patch, 'base64').toString()))
      .to.be.an('array')
      .with.length(4);
  });

  it('says what is wrong with a pod', async () => {
    const wrong = responseOf(await send('POST', '/inject', review(pod({ annotations: { 'l7mp.io/capture': 'x' } }))));
    expect(wrong.allowed).to.equal(false);
    expect(wrong.status?.message).to.include('expected one of all, inbound, outbound, none');
  });

  it('answers probes, and turns away what is no review', async () => {
    expect(await send('GET', '/healthz')).to.include({ status: 200, text: 'ok\n' });
    expect(await send('GET', '/inject')).to.include({ status: 405 });
    expect(await send('POST', '/other')).to.include({ status: 404 });
    for (const body of ['', '{', '[]', '{"kind":"Pod"}', review(pod()).replace('u-1', '')]) {
      expect(await send('POST', '/inject', body), body).to.include({ status: 400 });
    }
    expect(errors).to.deep.equal([]);
  });

  it('reads no more than it must', async () => {
    const answer = await send('POST', '/inject', Buffer.alloc(9 * 1024 * 1024)).catch(String);
    // What it does not read may break the sender before the answer is read.
    if (typeof answer === 'string') expect(answer).to.match(/EPIPE|ECONNRESET/u);
    else expect(answer.status).to.equal(413);
    expect(await send('GET', '/healthz')).to.include({ status: 200 });
  });

  it('shows a new certificate to whoever connects from then on, and keeps the old one where the new is none', async () => {
    expect((await send('GET', '/healthz')).certificate).to.equal('first');
    credentials = { cert: second.cert, key: first.key };
    changed();
    expect((await send('GET', '/healthz')).certificate).to.equal('first');
    expect(errors).to.have.length(1);
    credentials = second;
    changed();
    expect((await send('GET', '/healthz')).certificate).to.equal('second');
  });
});
