/** Who is who in a testbed: the API server's certificate, the key of service account tokens, and tokens of users. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Authority, type Certificate } from '../certificates.ts';

/** Users with a token from the start: name and groups. What they may do, RBAC says. */
const USERS = {
  admin: ['admin', 'system:masters'],
  manager: ['system:kube-controller-manager'],
  proxy: ['system:kube-proxy'],
  user: ['user'],
} as const;

export class Credentials {
  /** Of the authority that signs the API server's certificate, in PEM. */
  readonly authority: string;
  readonly server: Certificate;
  /** What the API server shows to kubelets. */
  readonly kubelet: Certificate;
  /** The keys of service account tokens: files in PEM. */
  readonly signing: Certificate;
  /** The file of `--token-auth-file`. */
  readonly tokens: string;
  private readonly directory: string;
  private readonly tokenOf = new Map<string, string>();

  /** `addresses`: where the API server can be reached. */
  constructor(directory: string, addresses: readonly string[]) {
    this.directory = directory;
    const authority = new Authority(directory, 'authority');
    this.authority = authority.file;
    const names = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc'].map((name) => `DNS:${name}`);
    this.server = authority.issue('apiserver', {
      subject: '/CN=kube-apiserver',
      names: [...names, ...addresses.map((address) => `IP:${address}`)].join(),
    });
    this.kubelet = authority.issue('kubelet-client', { subject: '/O=system:masters/CN=kube-apiserver-kubelet-client' });
    this.signing = { key: join(directory, 'accounts.key'), cert: join(directory, 'accounts.pub') };
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    writeFileSync(this.signing.key, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    writeFileSync(this.signing.cert, publicKey.export({ type: 'spki', format: 'pem' }));
    this.tokens = join(directory, 'tokens.csv');
    const lines = Object.entries(USERS).map(([key, [name, ...groups]], id) => {
      const token = randomBytes(16).toString('hex');
      this.tokenOf.set(key, token);
      return `${token},${name},${id},"${groups.join()}"\n`;
    });
    writeFileSync(this.tokens, lines.join(''));
  }

  /** The token of a user. */
  token(user: keyof typeof USERS): string {
    return this.tokenOf.get(user) ?? '';
  }

  /** Writes a kubeconfig and gives its path. */
  kubeconfig(name: string, server: string, token: string): string {
    const file = join(this.directory, `${name}.kubeconfig`);
    const certificate = readFileSync(this.authority).toString('base64');
    writeFileSync(
      file,
      JSON.stringify({
        ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'testbed' },
        clusters: [{ name: 'testbed', cluster: { server, 'certificate-authority-data': certificate } }],
        users: [{ name, user: { token } }],
        contexts: [{ name: 'testbed', context: { cluster: 'testbed', user: name } }],
      }),
    );
    return file;
  }
}
