/** A client of an API server without the official one, whose thousands of files take long to load where each goes through a compiler. */
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { KubeClient } from '../../../controlplane/kubernetes/runtime/client.ts';

interface Kubeconfig {
  readonly clusters: readonly [
    { readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string } },
  ];
  readonly users: readonly [{ readonly user: { readonly token: string } }];
}

/** `kubeconfig`: a file of a testbed, which is JSON. */
export function bareClient(kubeconfig: string): KubeClient {
  const { clusters, users } = JSON.parse(readFileSync(kubeconfig, 'utf8')) as Kubeconfig;
  const [{ cluster }] = clusters;
  const [{ user }] = users;
  const agent = new Agent({ ca: Buffer.from(cluster['certificate-authority-data'], 'base64'), keepAlive: true });
  return new KubeClient({
    server: new URL(cluster.server),
    namespace: 'default',
    requestOptions: () => Promise.resolve({ agent, headers: { authorization: `Bearer ${user.token}` } }),
    close: () => agent.destroy(),
  });
}
