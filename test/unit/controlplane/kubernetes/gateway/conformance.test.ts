/**
 * The manifests of the official conformance suite, where Go's module cache has it: whatever they come to is an object that
 * proxies take. What traffic makes of it is for the suite itself.
 */
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { KubeObject } from '../../../../../controlplane/kubernetes/api/object.ts';
import { CONTROLLER_NAME } from '../../../../../controlplane/kubernetes/api/names.ts';
import { translateGateways } from '../../../../../controlplane/kubernetes/gateway/translate.ts';
import { kubeReader, readManifests } from '../../../../support/kube-reader.ts';
import { objectFaults } from '../../../../support/object-faults.ts';

const CACHE = process.env['GOMODCACHE'] ?? join(process.env['GOPATH'] ?? join(homedir(), 'go'), 'pkg/mod');
const SUITE = join(CACHE, 'sigs.k8s.io/gateway-api/conformance@v1.6.3');

const CLASS: KubeObject = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'GatewayClass',
  metadata: { name: 'l7mp', generation: 1 },
  spec: { controllerName: CONTROLLER_NAME },
};

const manifests = (path: string): KubeObject[] =>
  readManifests(join(SUITE, path), (text) => text.replaceAll('{GATEWAY_CLASS_NAME}', 'l7mp'));

describe('manifests of the conformance suite', () => {
  if (!existsSync(SUITE)) {
    it.skip(`go mod download sigs.k8s.io/gateway-api/conformance@v1.6.3 brings them to ${CACHE}`);
    return;
  }
  const base = manifests('base/manifests.yaml');
  for (const file of readdirSync(join(SUITE, 'tests')).filter((name) => name.endsWith('.yaml'))) {
    it(`${file} comes to objects that proxies take`, async () => {
      const { objects, statuses } = translateGateways(kubeReader([CLASS, ...base, ...manifests(`tests/${file}`)]));
      expect(await objectFaults(objects.map(({ content }) => content))).to.deep.equal([]);
      expect(statuses.length).to.be.greaterThan(1);
    });
  }
});
