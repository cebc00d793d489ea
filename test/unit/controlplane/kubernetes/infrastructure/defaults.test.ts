import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { parse } from 'yaml';
import { FaultsError, formatFault } from '../../../../../common/errors.ts';
import { parseGatewayDefaults } from '../../../../../controlplane/kubernetes/infrastructure/defaults.ts';

describe('defaults of gateways', () => {
  it('are the spec of a GatewayParameters with an image', async () => {
    const defaults = { image: 'proxy:1', workload: 'DaemonSet', offload: { enabled: true } };
    expect(await parseGatewayDefaults(JSON.stringify(defaults))).to.deep.equal(defaults);
  });

  it('are refused with all that is wrong', async () => {
    const text = 'workload: StatefulSet\nreplicas: many\nofload: {}\ntolerations: {}\n';
    const error = await parseGatewayDefaults(text).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(FaultsError);
    const told = (error as FaultsError).faults.map(formatFault);
    expect(told.map((line) => line.replace(/one of .*, found/u, 'one of …, found'))).to.deep.equal([
      'replicas: expected a whole number, found "many"',
      'ofload: expected one of …, found ofload',
      'tolerations: expected a list, found {}',
      'workload: expected Deployment or DaemonSet, found "StatefulSet"',
      'image: expected the image of proxies, found nothing',
    ]);
    expect(String(await parseGatewayDefaults('').catch((reason: unknown) => reason))).to.contain('found null');
  });

  it('know every field that the custom resource has, and no other', async () => {
    interface Definition {
      spec: { versions: { schema: { openAPIV3Schema: { properties: { spec: { properties: object } } } } }[] };
    }
    const { spec } = parse(readFileSync('k8s/crds/gatewayparameters.yaml', 'utf8')) as Definition;
    const { properties } = spec.versions[0]!.schema.openAPIV3Schema.properties.spec;
    const error = await parseGatewayDefaults('image: a\nnone: 1').catch((reason: unknown) => reason);
    const [, known = ''] = /expected one of (.*), found/u.exec(String(error)) ?? [];
    expect(known.split(', ').sort()).to.deep.equal(Object.keys(properties).sort());
  });
});
