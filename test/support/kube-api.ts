/** A real kube-apiserver on a real etcd (`.cache/gobin`), in a directory of its own, on a port that stays. */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openClient, type KubeClient } from '../../controlplane/kubernetes/runtime/client.ts';
import type { KubeObject } from '../../controlplane/kubernetes/api/object.ts';
import type { ResourceType } from '../../controlplane/kubernetes/api/addressing.ts';
import { Etcd } from './etcd.ts';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

const APISERVER = '.cache/gobin/kube-apiserver';

/** For a test's `before`: where it isn't built, that is said, and the tests are skipped. */
export function needKubeApi(context: Mocha.Context): void {
  if (!existsSync(APISERVER)) context.skip();
}

export class KubeApi {
  readonly directory = mkdtempSync(join(tmpdir(), 'l7mp-kube-'));
  readonly kubeconfig = join(this.directory, 'kubeconfig');
  /** What it shows, and what it is checked by. */
  readonly certificate = join(this.directory, 'pki/apiserver.crt');
  readonly etcd: Etcd;
  readonly port: number;
  #child: ChildProcess | undefined;

  private constructor(etcd: Etcd, port: number) {
    this.etcd = etcd;
    this.port = port;
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    });
    writeFileSync(join(this.directory, 'sa.key'), privateKey);
    writeFileSync(join(this.directory, 'sa.pub'), publicKey);
    writeFileSync(
      join(this.directory, 'tokens.csv'),
      'admin-token,admin,1,"system:masters"\nuser-token,user,2,"users"\n',
    );
    this.writeKubeconfig(this.kubeconfig, port);
  }

  static async start(): Promise<KubeApi> {
    const api = new KubeApi(await Etcd.start(), await freePort());
    await api.start();
    return api;
  }

  /** Through another port, where something stands in between; as another user. */
  writeKubeconfig(file: string, port: number, token = 'admin-token'): void {
    const cluster = {
      server: `https://127.0.0.1:${port}`,
      'certificate-authority': this.certificate,
    };
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [{ name: 'test', cluster }],
      users: [{ name: 'test', user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    };
    writeFileSync(file, JSON.stringify(config));
  }

  client(file = this.kubeconfig): Promise<KubeClient> {
    return openClient({ file });
  }

  /** Starts it, also on what etcd has from before. */
  async start(port = this.port): Promise<void> {
    const file = (name: string): string => join(this.directory, name);
    const child = spawn(
      APISERVER,
      [
        `--etcd-servers=http://${this.etcd.address}`,
        ...[`--cert-dir=${file('pki')}`, '--bind-address=127.0.0.1', `--secure-port=${port}`],
        ...[
          '--advertise-address=127.0.0.1',
          '--endpoint-reconciler-type=none',
          '--service-cluster-ip-range=10.96.0.0/16',
        ],
        ...['--authorization-mode=RBAC', `--token-auth-file=${file('tokens.csv')}`],
        '--service-account-issuer=https://kubernetes.default.svc',
        ...[`--service-account-key-file=${file('sa.pub')}`, `--service-account-signing-key-file=${file('sa.key')}`],
        ...['--disable-admission-plugins=ServiceAccount', '--profiling=false', '-v=0'],
      ],
      { stdio: 'ignore' },
    );
    this.#child = child;
    await once(child, 'spawn');
    const isReady = (): Promise<boolean> => {
      if (child.exitCode !== null) throw new Error(`kube-apiserver ended with ${child.exitCode}`);
      return this.#isReady(port);
    };
    await until('kube-apiserver', isReady, 60_000);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async stop(): Promise<void> {
    await this.kill();
    await this.etcd.stop();
    rmSync(this.directory, { recursive: true });
  }

  /** What etcd had before now can't be asked for any more. */
  async compact(): Promise<void> {
    const { header } = (await this.etcd.post('kv/range', { key: 'AA==' })) as { header: { revision: string } };
    await this.etcd.post('kv/compaction', { revision: header.revision, physical: true });
  }

  #isReady(port: number): Promise<boolean> {
    if (!existsSync(this.certificate)) return Promise.resolve(false);
    return new Promise((resolve) => {
      const headers = { authorization: 'Bearer admin-token' };
      const options = {
        port,
        host: '127.0.0.1',
        path: '/readyz',
        ca: readFileSync(this.certificate),
        headers,
        agent: false,
      };
      const asked = request(options, (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200);
      });
      asked.once('error', () => resolve(false));
      asked.end();
    });
  }
}

/** A definition of a kind that takes anything, with a status. */
export function definition({ group, version, kind, plural }: ResourceType): KubeObject {
  const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural, singular: kind.toLowerCase() },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: { openAPIV3Schema: { type: 'object', properties: { spec: anything, status: anything } } },
        },
      ],
    },
  };
}
