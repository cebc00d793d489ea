/** The chart, `l7mp install` and what gateways are made of, as a real API server takes them. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { createLogger } from '../../../../common/telemetry/log.ts';
import { clusterWide } from '../../../../controlplane/kubernetes/api/addressing.ts';
import type { KubeObject } from '../../../../controlplane/kubernetes/api/object.ts';
import { MUTATING_WEBHOOK } from '../../../../controlplane/kubernetes/api/core-types.ts';
import { CertificateManager } from '../../../../controlplane/kubernetes/certificates/manager.ts';
import { AuthorityPublisher } from '../../../../controlplane/kubernetes/certificates/publisher.ts';
import { l7mp } from '../../../support/command.ts';
import { dyingWithUs } from '../../../support/dying-with-us.ts';
import { freePort } from '../../../support/free-port.ts';
import { finalizeNamespace, titlesIn, untilContents } from '../../../support/kubernetes/leftovers.ts';
import { definition } from '../../../support/kubernetes/definition.ts';
import { Kube } from '../../../support/kubernetes/kube.ts';
import { helm } from '../../../support/kubernetes/helm.ts';
import { BIN } from '../../../support/kubernetes/program.ts';
import { until } from '../../../support/until.ts';

const CHART = 'k8s/chart';
/** The Prometheus operator's own definitions: see scripts/setup-tests.sh. */
const OPERATOR = '.cache/gobin/prometheus-operator-crds';
const KUBERNETES = ['--kube-version', '1.36.0', '--api-versions', 'gateway.networking.k8s.io/v1/GatewayClass'];
const values = readdirSync(`${CHART}/ci`).map((file) => `${CHART}/ci/${file}`);

const log = createLogger('silent', 'stderr');

describe('installing on Kubernetes', function () {
  this.timeout(120_000);
  /** With nothing in it: it is looked at whole. */
  let cluster: Kube;

  before(async () => {
    cluster = await Kube.start({ hasControllers: false });
    await cluster.apply(definition(clusterWide('gateway.networking.k8s.io', 'v1', 'GatewayClass', 'gatewayclasses')));
    // Too large for an annotation with all of it.
    for (const file of readdirSync(OPERATOR)) {
      await cluster.kubectl(['apply', '--server-side', '-f', join(OPERATOR, file)]);
    }
    await cluster.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=20s']);
    await cluster.kubectl(['create', 'namespace', 'here']);
  });
  after(() => (cluster as Kube | undefined)?.stop());

  describe('the chart', () => {
    for (const file of values) {
      it(`is right to helm lint and to the API server with ${file}`, async () => {
        const lint = await helm('lint', '--strict', CHART, '-f', file, '--kube-version', '1.36.0');
        expect(lint.code, lint.stdout).to.equal(0);
        const { stdout, stderr, code } = await helm('template', 'l7mp', CHART, '-n', 'here', '-f', file, ...KUBERNETES);
        expect(code, stderr).to.equal(0);
        const applied = await cluster.tryKubectl(['apply', '--server-side', '--dry-run=server', '-f', '-'], stdout);
        expect(applied.stderr).to.equal('');
        const objects = parseAllDocuments(stdout).filter(({ contents }) => contents !== null);
        expect(applied.stdout.trim().split('\n')).to.have.length(objects.length);
      });
    }

    for (const [set, told] of [
      ['controlPlane.replicas=many', /controlPlane.*replicas/su],
      ['controlPlane.replica=2', /replica/u],
      ['gateways.defaults.workload=StatefulSet', /workload/u],
      ['gateways.defaults.offload.enable=true', /enable/u],
      ['controlPlane.replicas=0', /controlPlane.*replicas/su],
      ['injector.timeoutSeconds=60', /timeoutSeconds/u],
      ['injector.env[0].name=NODE_OPTIONS', /injector.*env/su],
      ['gateways.defaults.env[0].value=a', /env.*name/su],
      ['injector.label=a b', /injector.*label/su],
      ['controlPlane.store=embedded:/var/lib/l7mp', /expected 1 with an embedded store, found 2/u],
      ['controlPlane.store=mysql://x', /store/u],
      ['podMonitor.interval=often', /podMonitor.*interval/su],
      ['prometheusRule.enabled=true,prometheusRule.disabledAlerts={L7mpNone}', /expected one of .*, found L7mpNone/u],
    ] as const) {
      it(`refuses ${set}`, async () => {
        const { code, stderr } = await helm('template', 'l7mp', CHART, '--set', set, ...KUBERNETES);
        expect(code).to.not.equal(0);
        expect(stderr).to.match(told);
      });
    }

    it('names every kind of ours in its rules', async () => {
      const { stdout } = await helm('template', 'l7mp', CHART, ...KUBERNETES);
      const objects = parseAllDocuments(stdout).map(
        (each) => each.toJS() as (KubeObject & { rules?: object[] }) | null,
      );
      const rules = JSON.stringify(objects.find((each) => each?.kind === 'ClusterRole')?.rules);
      for (const each of objects.filter((object) => object?.kind === 'CustomResourceDefinition')) {
        const { names } = each!.spec as { names: { plural: string } };
        if (!/^(?:store|config)/u.test(names.plural)) expect(rules).to.contain(`"${names.plural}"`);
      }
    });
  });

  describe('what gateways are made of', () => {
    for (const file of readdirSync('test/golden/infrastructure').filter((name) => name.endsWith('.out.yaml'))) {
      it(`is right to the API server in ${file}`, async () => {
        const { objects } = parse(readFileSync(`test/golden/infrastructure/${file}`, 'utf8')) as {
          objects: KubeObject[];
        };
        if (objects.length === 0) return;
        const text = objects.map((object) => stringify(object)).join('---\n');
        for (const { metadata } of objects.slice(0, 1)) {
          await cluster.tryKubectl(['create', 'namespace', metadata.namespace!]);
        }
        const applied = await cluster.tryKubectl(['apply', '--server-side', '--dry-run=server', '-f', '-'], text);
        expect(applied.stderr).to.equal('');
        expect(applied.stdout.trim().split('\n')).to.have.length(objects.length);
      });
    }
  });

  describe('l7mp install', function () {
    // One test runs the command six times, each with some 50 calls.
    this.timeout(120_000);
    const flags = (): string[] => ['--kubeconfig', cluster.kubeconfig];

    it('and uninstall leave the API server as it was, in a namespace of its own', async () => {
      const before = await titlesIn(cluster);
      const dry = await l7mp(['install', ...flags(), '--dry-run']);
      expect(dry.stderr).to.equal('');
      expect(await titlesIn(cluster)).to.deep.equal(before);

      const first = await l7mp(['install', ...flags()]);
      expect(first.stderr).to.equal('');
      expect(first.stdout).to.contain('deployment.apps/l7mp-controlplane -n l7mp-system created');
      const again = await l7mp(['install', ...flags()]);
      const lines = again.stdout.trim().split('\n');
      expect(lines.filter((line) => !line.endsWith('unchanged'))).to.deep.equal([]);
      const changed = await l7mp(['install', ...flags(), '--replicas', '3']);
      expect(changed.stdout.match(/.* configured/gu)).to.deep.equal([
        'deployment.apps/l7mp-controlplane -n l7mp-system configured',
      ]);

      // What the control plane makes elsewhere.
      const made = { namespace: 'here', labels: { 'app.kubernetes.io/managed-by': 'l7mp' } };
      const others = ['l7mp-ca', 'web-l7mp'].map((name) =>
        JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...made, name } }),
      );
      await cluster.tryKubectl(['apply', '-f', '-'], others.join('\n---\n'));

      const installed = await titlesIn(cluster);
      const tried = await l7mp(['uninstall', ...flags(), '--dry-run']);
      expect(tried.stdout).to.contain(
        'customresourcedefinition.apiextensions.k8s.io/targets.l7mp.io deleted (dry run)',
      );
      expect(await titlesIn(cluster)).to.deep.equal(installed);
      const [gone] = await Promise.all([
        l7mp(['uninstall', ...flags(), '--yes']),
        finalizeNamespace(cluster, 'l7mp-system'),
      ]);
      expect(gone.stderr).to.equal('');
      expect(gone.code).to.equal(0);
      expect(gone.stdout.split('\n')[0]).to.contain('mutatingwebhookconfiguration');
      await untilContents(cluster, before);
      expect((await l7mp(['uninstall', ...flags(), '--yes'])).stdout).to.match(/^nothing of l7mp is there/u);
    });

    it('and uninstall leave an installation alone that is in another namespace', async () => {
      await l7mp(['install', ...flags(), '-n', 'here']);
      try {
        const before = await titlesIn(cluster);
        const binding = ['get', 'clusterrolebinding', 'l7mp-controlplane', '-o', 'yaml'];
        const bound = await cluster.kubectl(binding);
        for (const command of [['install'], ['install', '--dry-run'], ['uninstall', '--yes']]) {
          const { code, stdout, stderr } = await l7mp([...command, ...flags(), '-n', 'elsewhere']);
          expect([code, stdout]).to.deep.equal([4, '']);
          expect(stderr).to.match(/^l7mp: expected no installation but .* elsewhere, found one in namespace here: /u);
        }
        expect(await titlesIn(cluster)).to.deep.equal(before);
        expect(await cluster.kubectl(binding)).to.equal(bound);
      } finally {
        await l7mp(['uninstall', ...flags(), '-n', 'here', '--yes']);
      }
    });

    it('and uninstall leave a release of Helm alone', async () => {
      const options = ['l7mp', CHART, '-n', 'here', '--kubeconfig', cluster.kubeconfig];
      const installed = await helm('install', ...options, '--set', 'crds.keep=false');
      expect(installed.code, installed.stderr).to.equal(0);
      try {
        for (const [command, namespace] of [
          ['install', 'here'],
          ['install', 'elsewhere'],
          ['uninstall', 'here'],
        ] as const) {
          const { code, stderr } = await l7mp([command, ...flags(), '-n', namespace, '--dry-run']);
          expect(code).to.equal(4);
          expect(stderr).to.contain('found the release l7mp of Helm in namespace here');
        }
      } finally {
        await helm('uninstall', 'l7mp', '-n', 'here', '--kubeconfig', cluster.kubeconfig, '--wait');
      }
    });

    it('leaves a namespace that was there, and definitions where that is wanted', async () => {
      await cluster.tryKubectl(['create', 'namespace', 'mine']);
      const before = await titlesIn(cluster);
      expect((await l7mp(['install', ...flags(), '-n', 'mine', '--no-injector'])).code).to.equal(0);
      const gone = await l7mp(['uninstall', ...flags(), '-n', 'mine', '--keep-crds']);
      expect(gone.code).to.equal(0);
      const after = await titlesIn(cluster);
      expect(after.filter((name) => !before.includes(name))).to.satisfy((names: string[]) =>
        names.every((name) => name.startsWith('CustomResourceDefinition ') && name.endsWith('.l7mp.io')),
      );
      expect(after).to.include.members(before);
      await l7mp(['uninstall', ...flags(), '-n', 'mine', '--yes']);
      expect(await titlesIn(cluster)).to.deep.equal(before);
    });

    it('says what the API server refuses, and waits no longer than it is told', async () => {
      expect((await l7mp(['install', ...flags(), '-n', 'here'])).code).to.equal(0);
      const { code, stderr } = await l7mp(['install', ...flags(), '-n', 'here', '--wait', '--timeout', '1s']);
      expect(stderr).to.equal('l7mp: deployment.apps/l7mp-controlplane -n here is not available after 1 s\n');
      expect(code).to.equal(5);
      await l7mp(['uninstall', ...flags(), '-n', 'here', '--yes']);
    });

    it('goes through kubectl proxy, which speaks plain HTTP', async () => {
      const port = await freePort();
      const args = ['proxy', '--port', String(port), '--kubeconfig', cluster.kubeconfig];
      const proxy = spawn(...dyingWithUs(join(BIN, 'kubectl'), args), { stdio: 'ignore' });
      try {
        await until('kubectl proxy', () =>
          fetch(`http://127.0.0.1:${port}/readyz`).then(
            ({ ok }) => ok,
            () => false,
          ),
        );
        const config = `${cluster.kubeconfig}-plain`;
        const plain = JSON.parse(readFileSync(cluster.kubeconfig, 'utf8')) as { clusters: object[]; users: object[] };
        // The official client takes no plain HTTP unless it is told that nobody checks certificates.
        const server = { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true };
        plain.clusters = [{ name: 'testbed', cluster: server }];
        writeFileSync(config, JSON.stringify(plain));
        const { stderr, stdout, code } = await l7mp(['install', '--kubeconfig', config, '--dry-run']);
        expect([stderr, code]).to.deep.equal(['', 0]);
        expect(stdout).to.contain('namespace/l7mp-system created (dry run)');
      } finally {
        proxy.kill();
        await once(proxy, 'close');
      }
    });

    it('says that no API server answers', async () => {
      const config = readFileSync(cluster.kubeconfig, 'utf8').replace(/127\.0\.0\.1:\d+/u, '127.0.0.1:1');
      const file = `${cluster.kubeconfig}-away`;
      writeFileSync(file, config);
      const { code, stderr } = await l7mp(['install', '--kubeconfig', file]);
      expect(stderr).to.match(/^l7mp: .*ECONNREFUSED.*\n$/u);
      expect(code).to.equal(4);
    });
  });

  describe('GatewayParameters', () => {
    before(() => cluster.tryKubectl(['apply', '-f', 'k8s/crds/gatewayparameters.yaml']));
    after(() => cluster.tryKubectl(['delete', '-f', 'k8s/crds/gatewayparameters.yaml']));

    const apply = async (spec: object): Promise<string> => {
      await cluster.tryKubectl(['wait', '--for=condition=Established', 'crd/gatewayparameters.l7mp.io']);
      const object = {
        apiVersion: 'l7mp.io/v1',
        kind: 'GatewayParameters',
        metadata: { name: 'a', namespace: 'here' },
        spec,
      };
      return (await cluster.tryKubectl(['create', '--dry-run=server', '-f', '-'], JSON.stringify(object))).stderr;
    };

    it('take what can be had', async () => {
      for (const file of values) {
        const { gateways } = parse(readFileSync(file, 'utf8')) as { gateways?: { defaults: object } };
        expect(await apply(gateways?.defaults ?? {})).to.equal('');
      }
    });

    it('refuse what can not', async () => {
      expect(await apply({ workload: 'DaemonSet', replicas: 2 })).to.contain(
        'replicas and autoscaling are of a Deployment',
      );
      expect(await apply({ replicas: 2, autoscaling: { maxReplicas: 3 } })).to.contain('found both');
      expect(await apply({ autoscaling: { minReplicas: 4, maxReplicas: 3 } })).to.contain('at most maxReplicas');
      expect(await apply({ disruptionBudget: { minAvailable: 1, maxUnavailable: 1 } })).to.contain('not both');
      expect(await apply({ offload: { enable: true } })).to.contain('unknown field "spec.offload.enable"');
    });
  });

  describe('the certificate of the control plane', () => {
    it('is one for all replicas, and its authorities get to the webhook and to namespaces', async () => {
      const client = await cluster.client();
      const options = { client, namespace: 'here', secret: 'certificate', names: ['cp'], log };
      const replicas = await Promise.all([1, 2, 3].map(() => CertificateManager.open(options)));
      try {
        const [first] = replicas;
        for (const { current } of replicas) expect(current).to.deep.equal(first!.current);

        const rendered = await helm(
          'template',
          'l7mp',
          CHART,
          '-n',
          'here',
          '-s',
          'templates/injector.yaml',
          ...KUBERNETES,
        );
        const webhook = ['apply', '--server-side', '-f', '-'];
        await cluster.tryKubectl(webhook, rendered.stdout);
        const found = await client.get(MUTATING_WEBHOOK, { namespace: '', name: 'l7mp-injector' });
        const publisher = new AuthorityPublisher({
          ...{ client, log, webhook: () => found, ca: () => first!.current.ca },
          ...{ isNeeded: () => true, live: () => undefined, leads: () => true },
        });
        await publisher.reconcile('here');
        await publisher.reconcileWebhook();
        await cluster.tryKubectl(webhook, rendered.stdout); // an upgrade
        const get = async (...args: string[]): Promise<string> => (await cluster.tryKubectl(['get', ...args])).stdout;
        const name = 'mutatingwebhookconfiguration/l7mp-injector';
        const bundles = await get(name, '-o', 'jsonpath={.webhooks[*].clientConfig.caBundle}');
        const ca = Buffer.from(first!.current.ca).toString('base64');
        expect(bundles).to.equal(`${ca} ${ca}`);
        expect(await get('configmap/l7mp-ca', '-n', 'here', '-o', 'jsonpath={.data.ca\\.crt}')).to.equal(
          first!.current.ca,
        );
      } finally {
        await Promise.all(replicas.map((replica) => replica.close()));
        await cluster.tryKubectl(['delete', 'mutatingwebhookconfiguration/l7mp-injector', '--ignore-not-found']);
      }
    });
  });
});
