/** Who may read and change what is pushed to a control plane in a cluster: RBAC of a real API server says it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Result } from '../../../support/command.ts';
import { KubeControlPlane } from '../../../support/kubernetes/control-plane.ts';
import { sharedKube } from '../../../support/kubernetes/shared.ts';
import { until } from '../../../support/until.ts';

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
  let accounts = 0;
  /** A new service account that has these verbs, by itself or with all of the namespace. */
  const account = async (verbs: readonly string[], isBoundByGroup = false): Promise<string> => {
    const name = `account-${++accounts}`;
    await kubectl('create', 'serviceaccount', name);
    if (verbs.length === 0) return name;
    const group = `system:serviceaccounts:${rig.namespace}`;
    const subject = isBoundByGroup ? `--group=${group}` : `--serviceaccount=${rig.namespace}:${name}`;
    await kubectl('create', 'role', name, `--verb=${verbs.join()}`, '--resource=configobjects.l7mp.io');
    await kubectl('create', 'rolebinding', name, `--role=${name}`, subject);
    const as = [`--as=${userOf(name)}`, `--as-group=${group}`, '--namespace', rig.namespace];
    const asked = ['auth', 'can-i', verbs.at(-1) ?? '', 'configobjects.l7mp.io', ...as];
    await until('RBAC to have the role', async () => (await kube().tryKubectl(asked)).code === 0);
    return name;
  };
  const userOf = (name: string): string => `system:serviceaccount:${rig.namespace}:${name}`;
  const tokenOf = async (name: string, audience = 'l7mp'): Promise<string> => {
    const file = join(directory, name);
    writeFileSync(file, await kube().tokenOf(name, rig.namespace, audience));
    return file;
  };
  const read = (file: string): Promise<Result> => rig.controlPlane.l7mp('get', '--token-file', file);
  const change = (file: string): Promise<Result> =>
    rig.controlPlane.l7mpReading(CLUSTER, 'apply', '-f', '-', '--token-file', file);

  it('may nothing without a role, and are told which one it takes', async () => {
    const nobody = await account([]);
    const file = await tokenOf(nobody);
    for (const { code, stderr } of [await read(file), await change(file)]) {
      expect(code).to.equal(4);
      expect(stderr).to.contain(`${userOf(nobody)} is not allowed to `);
      expect(stderr).to.contain(`configobjects.l7mp.io in the namespace ${rig.namespace}`);
    }
  });

  it('may read with the verb get, and no more', async () => {
    const file = await tokenOf(await account(['get']));
    expect(await read(file)).to.include({ code: 0 });
    expect((await change(file)).stderr).to.contain('is not allowed to change the configuration');
  });

  it('may change with the verb update, and history has their names', async () => {
    const admin = await account(['get', 'update']);
    const file = await tokenOf(admin);
    expect(await change(file)).to.include({ code: 0, stderr: '' });
    const { stdout } = await rig.controlPlane.l7mp('history', '--token-file', file);
    expect(stdout).to.contain(userOf(admin));
  });

  it('have what their groups are bound to', async () => {
    const member = await account(['get'], true);
    expect(await read(await tokenOf(member))).to.include({ code: 0 });
    await kubectl('delete', 'rolebinding', member);
  });

  it('show a token for the control plane, not one for the API server', async () => {
    const file = await tokenOf(await account(['get', 'update']), 'https://kubernetes.default.svc');
    const { code, stderr } = await read(file);
    expect(code).to.equal(4);
    expect(stderr).to.contain('expected a bearer token of this control plane, found another');
  });
});
