/** A real kube-controller-manager, with the controllers that tests need. */
import { join } from 'node:path';
import { freePort } from '../free-port.ts';
import type { ApiServer } from './api-server.ts';
import type { Credentials } from './credentials.ts';
import { BIN, Program } from './program.ts';

const CONTROLLERS = [
  ...['deployment', 'replicaset', 'daemonset', 'statefulset', 'job', 'disruption'],
  ...['endpointslice', 'endpointslice-mirroring', 'namespace', 'serviceaccount', 'root-ca-certificate-publisher'],
  ...['clusterrole-aggregation', 'service-cidr', 'garbage-collector'],
];

export class ControllerManager {
  private readonly program: Program;

  private constructor(program: Program) {
    this.program = program;
  }

  static async start(directory: string, apiServer: ApiServer, credentials: Credentials): Promise<ControllerManager> {
    const flags = {
      kubeconfig: credentials.kubeconfig('manager', apiServer.url, credentials.token('manager')),
      controllers: CONTROLLERS.map((name) => `${name}-controller`).join(),
      // Without it, namespaces are never empty.
      'use-service-account-credentials': true,
      'leader-elect': false,
      'bind-address': '127.0.0.1',
      'secure-port': await freePort(),
      'cert-dir': join(directory, 'manager'),
      'root-ca-file': credentials.authority,
      'service-account-private-key-file': credentials.signing.key,
      profiling: false,
    };
    const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    const manager = new ControllerManager(new Program(directory, join(BIN, 'kube-controller-manager'), args));
    try {
      // The last of what it makes for each namespace.
      const account = '/api/v1/namespaces/default/serviceaccounts/default';
      await manager.program.untilReady(async () => (await apiServer.get(account)).status === 200);
      return manager;
    } catch (error) {
      await manager.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.program.kill();
  }
}
