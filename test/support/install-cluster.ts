/** A real kube-apiserver on a real etcd with nothing in it, for tests of what is installed; kubectl and helm before it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { KubeObject } from '../../controlplane/kubernetes/api/object.ts';
import type { ResourceType } from '../../controlplane/kubernetes/api/addressing.ts';
import type { CertificatesClient } from '../../controlplane/kubernetes/certificates/client.ts';
import { type Result, runCommand } from './command.ts';
import { Etcd } from './etcd.ts';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

const APISERVER = '.cache/gobin/kube-apiserver';
const HELM = '.cache/gobin/helm';
const KUBECTL = existsSync('.cache/gobin/kubectl') ? '.cache/gobin/kubectl' : 'kubectl';

/** For a suite's `before`: where they are not built, the tests are skipped. */
export function needInstallCluster(context: Mocha.Context): void {
  if (!existsSync(APISERVER) || !existsSync(HELM)) context.skip();
}

export const helm = (...args: string[]): Promise<Result> => runCommand(HELM, args);

export class InstallCluster {
  readonly #directory = mkdtempSync(join(tmpdir(), 'l7mp-install-'));
  readonly kubeconfig = join(this.#directory, 'kubeconfig');
  readonly #etcd: Etcd;
  #child: ChildProcess | undefined;

  private constructor(etcd: Etcd) {
    this.#etcd = etcd;
  }

  static async start(): Promise<InstallCluster> {
    const cluster = new InstallCluster(await Etcd.start());
    try {
      await cluster.#start(await freePort());
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  async #start(port: number): Promise<void> {
    const file = (name: string): string => join(this.#directory, name);
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    });
    writeFileSync(file('sa.key'), privateKey);
    writeFileSync(file('sa.pub'), publicKey);
    writeFileSync(file('tokens.csv'), 'admin-token,admin,1,"system:masters"\n');
    const cluster = { server: `https://127.0.0.1:${port}`, 'certificate-authority': file('pki/apiserver.crt') };
    const config = {
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'test' },
      clusters: [{ name: 'test', cluster }],
      users: [{ name: 'test', user: { token: 'admin-token' } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    };
    writeFileSync(this.kubeconfig, JSON.stringify(config));
    const child = spawn(
      APISERVER,
      [
        ...[`--etcd-servers=http://${this.#etcd.address}`, `--cert-dir=${file('pki')}`],
        ...['--bind-address=127.0.0.1', `--secure-port=${port}`, '--advertise-address=127.0.0.1'],
        ...['--endpoint-reconciler-type=none', '--service-cluster-ip-range=10.96.0.0/16'],
        ...['--authorization-mode=RBAC', `--token-auth-file=${file('tokens.csv')}`],
        '--service-account-issuer=https://kubernetes.default.svc',
        ...[`--service-account-key-file=${file('sa.pub')}`, `--service-account-signing-key-file=${file('sa.key')}`],
        '--disable-admission-plugins=ServiceAccount',
      ],
      { stdio: 'ignore' },
    );
    this.#child = child;
    await once(child, 'spawn');
    const isReady = async (): Promise<boolean> => {
      if (child.exitCode !== null) throw new Error(`kube-apiserver ended with ${child.exitCode}`);
      return existsSync(file('pki/apiserver.crt')) && (await this.kubectl(['get', '--raw', '/readyz'])).code === 0;
    };
    await until('kube-apiserver', isReady, 60_000);
  }

  kubectl(args: readonly string[], input: string | Buffer = ''): Promise<Result> {
    const env = { HOME: this.#directory };
    return runCommand(KUBECTL, ['--kubeconfig', this.kubeconfig, ...args], input, env);
  }

  /** Names of all objects that can be listed, but events and leases, which the server writes by itself. */
  async contents(): Promise<string[]> {
    const { stdout } = await this.kubectl(['api-resources', '--verbs=list,delete', '-o', 'name']);
    const kinds = stdout.split('\n').filter((name) => name !== '' && !/^(?:events|leases|apiservices)/u.test(name));
    const found = await this.kubectl(['get', kinds.join(','), '-A', '-o', 'name', '--ignore-not-found']);
    return found.stdout
      .split('\n')
      .filter((line) => line !== '')
      .sort();
  }

  /** What was defined goes some time after its definition, and so do the lists of what there is. @throws with what differs then */
  async untilContents(expected: readonly string[]): Promise<void> {
    let found: string[] = [];
    const isSame = async (): Promise<boolean> => {
      found = await this.contents();
      return found.join('\n') === expected.join('\n');
    };
    await until('the API server to be as it was', isSame, 20_000).catch(() => undefined);
    expect(found.join('\n')).to.equal(expected.join('\n'));
  }

  /** What the namespace controller would do: nothing runs here that does. */
  async finalizeNamespace(name: string): Promise<void> {
    const get = async (): Promise<Result> => this.kubectl(['get', 'namespace', name, '-o', 'json']);
    const found = await until(`namespace ${name} is on its way out`, async () => {
      const { code, stdout } = await get();
      return code === 0 && stdout.includes('"deletionTimestamp"') ? stdout : undefined;
    });
    const object = { ...(JSON.parse(found) as object), spec: { finalizers: [] } };
    await this.kubectl(['replace', '--raw', `/api/v1/namespaces/${name}/finalize`, '-f', '-'], JSON.stringify(object));
  }

  /** As the runtime layer does, by the official client. */
  async client(): Promise<CertificatesClient> {
    const { KubeConfig, KubernetesObjectApi, PatchStrategy } = await import('@kubernetes/client-node');
    const config = new KubeConfig();
    config.loadFromFile(this.kubeconfig);
    const api = KubernetesObjectApi.makeApiClient(config);
    const typed = ({ group, version, kind }: ResourceType, metadata: object): object => ({
      ...{ apiVersion: group === '' ? version : `${group}/${version}`, kind, metadata },
    });
    const given = (answer: Promise<object>): Promise<KubeObject> => answer as Promise<KubeObject>;
    return {
      get: (type, { namespace, name }) =>
        given(api.read(typed(type, namespace === '' ? { name } : { namespace, name }) as never)),
      create: (_type, object) => given(api.create(object as never)),
      replace: (_type, object) => given(api.replace(object as never)),
      apply: (_type, object, { force }) =>
        given(api.patch(object as never, undefined, undefined, 'l7mp', force, PatchStrategy.ServerSideApply)),
      delete: async (type, { namespace, name }) => {
        await api.delete(typed(type, { namespace, name }));
      },
    };
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child?.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await this.#etcd.stop();
    rmSync(this.#directory, { recursive: true });
  }
}

/** A definition of a kind of others that takes anything. */
export function anyKind(group: string, kind: string, plural: string, scope: 'Namespaced' | 'Cluster'): string {
  const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const annotations = { 'api-approved.kubernetes.io': 'unapproved, for tests' };
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec: anything, status: anything } } };
  const version = { name: 'v1', served: true, storage: true, schema };
  return JSON.stringify({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}`, annotations },
    spec: { group, scope, names: { kind, plural, singular: kind.toLowerCase() }, versions: [version] },
  });
}
