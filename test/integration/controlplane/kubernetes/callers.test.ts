/** Who may read and change what is pushed to a control plane in a cluster: RBAC of a real API server says it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Result } from '../../../support/command.ts';
import { KubeControlPlane } from '../../../support/kubernetes/control-plane.ts';
import { sharedKube } from '../../../support/kubernetes/shared.ts';

const CLUSTER =
  'clusters: [{ name: c, spec: { protocol: UDP, port: 9 }, endpoints: [{ spec: { address: 192.0.2.1 } }] }]';

describe('kubernetes: callers of the control plane', function () {
  this.timeout(120_000);
  const kube = sharedKube({ gatewayApi: 'experimental' });
  const directory = mkdtempSync(join(tmpdir(), 'l7mp-callers-'));
  let rig: KubeControlPlane;

  before(async () => {
    await kube().installCrds('k8s/crds');
    rig = await KubeControlPlane.start(kube());
  });
  after(async () => {
    await (rig as KubeControlPlane | undefined)?.stop();
    rmSync(directory, { recursive: true });
  });

  const kubectl = (...args: string[]): Promise<string> => kube().kubectl(['--namespace', rig.namespace, ...args]);
  /** Of a new service account that has these verbs; bound to it, or to all of the namespace. */
  const tokenFor = async (name: string, verbs: string, subject: string, audience = 'l7mp'): Promise<string> => {
    await kubectl('create', 'serviceaccount', name);
    if (verbs !== '') {
      await kubectl('create', 'role', name, `--verb=${verbs}`, '--resource=configobjects.l7mp.io');
      await kubectl('create', 'rolebinding', name, `--role=${name}`, subject);
    }
    const file = join(directory, name);
    writeFileSync(file, await kube().tokenOf(name, rig.namespace, audience));
    return file;
  };
  const account = (name: string): string => `--serviceaccount=${rig.namespace}:${name}`;
  const read = (file: string): Promise<Result> => rig.controlPlane.l7mp('get', '--token-file', file);
  const change = (file: string): Promise<Result> =>
    rig.controlPlane.l7mpReading(CLUSTER, 'apply', '-f', '-', '--token-file', file);

  it('may nothing without a role, and are told which one it takes', async () => {
    const file = await tokenFor('nobody', '', '');
    for (const { code, stderr } of [await read(file), await change(file)]) {
      expect(code).to.equal(4);
      expect(stderr).to.contain(`system:serviceaccount:${rig.namespace}:nobody is not allowed to `);
      expect(stderr).to.contain(`configobjects.l7mp.io in the namespace ${rig.namespace}`);
    }
  });

  it('may read with the verb get, and no more', async () => {
    const file = await tokenFor('reader', 'get', account('reader'));
    expect(await read(file)).to.include({ code: 0, stderr: '' });
    expect((await change(file)).stderr).to.contain('is not allowed to change the configuration');
  });

  it('may change with the verb update, and history has their names', async () => {
    const file = await tokenFor('admin', 'get,update', account('admin'));
    expect(await change(file)).to.include({ code: 0, stderr: '' });
    const { stdout } = await rig.controlPlane.l7mp('history', '--token-file', file);
    expect(stdout).to.contain(`system:serviceaccount:${rig.namespace}:admin`);
  });

  it('have what their groups are bound to', async () => {
    const file = await tokenFor('member', 'get', `--group=system:serviceaccounts:${rig.namespace}`);
    expect(await read(file)).to.include({ code: 0, stderr: '' });
    await kubectl('delete', 'rolebinding', 'member');
  });

  it('show a token for the control plane, not one for the API server', async () => {
    const file = await tokenFor('elsewhere', 'get,update', account('elsewhere'), 'https://kubernetes.default.svc');
    const { code, stderr } = await read(file);
    expect(code).to.equal(4);
    expect(stderr).to.contain('expected a bearer token of this control plane, found another');
  });
});
