/** Gateway API to objects and statuses: golden files, and what holds for all. `UPDATE=1` writes the golden files anew. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { parse, stringify } from 'yaml';
import { idOf } from '../../../../../controlplane/model/object.ts';
import { compileSelector } from '../../../../../controlplane/model/selector.ts';
import type { Progress } from '../../../../../controlplane/kubernetes/api/reader.ts';
import {
  type GatewayTranslation,
  translateGateways,
} from '../../../../../controlplane/kubernetes/gateway/translate.ts';
import { kubeReader, readManifests } from '../../../../support/kube-reader.ts';
import { objectFaults } from '../../../../support/object-faults.ts';
import { backend, gateway, gatewayClass, httpRoute } from '../../../../support/gateways.ts';

const GOLDEN = 'test/golden/kubernetes/gateway';
const DONE: Progress = { selected: 2, acked: 2, serving: 2, failures: [] };

function withoutFeatures({ supportedFeatures: _, ...rest }: Readonly<Record<string, unknown>>): unknown {
  return rest;
}

/** As people would read it: what is the same for all is left out. */
function shown({ objects, statuses, infrastructure }: GatewayTranslation): unknown {
  return {
    objects: objects.map(({ owner, content: { key, spec } }) => ({
      [idOf(key)]: spec,
      owner: [owner.kind, owner.namespace, owner.name].join('/'),
    })),
    statuses: statuses.map((plan) => ({
      [[plan.ref.kind, plan.ref.namespace, plan.ref.name].join('/')]: withoutFeatures(plan.render(DONE)),
      ...(plan.objects.length > 0 && { objects: plan.objects }),
    })),
    infrastructure,
  };
}

describe('translating Gateway API', () => {
  for (const file of readdirSync(GOLDEN).filter((name) => name.endsWith('.in.yaml'))) {
    const path = `${GOLDEN}/${file.replace('.in.yaml', '.out.yaml')}`;
    const input = readManifests(`${GOLDEN}/${file}`);

    it(`gives what ${file.replace('.in.yaml', '.out.yaml')} says`, () => {
      const text = stringify(shown(translateGateways(kubeReader(input))), {
        lineWidth: 120,
        aliasDuplicateObjects: false,
      });
      if (process.env['UPDATE'] === '1') writeFileSync(path, text);
      expect(parse(text)).to.deep.equal(parse(readFileSync(path, 'utf8')));
    });

    it(`makes objects of ${file} that proxies take, in whatever order they are read`, async () => {
      const translation = translateGateways(kubeReader(input));
      expect(await objectFaults(translation.objects.map(({ content }) => content))).to.deep.equal([]);
      expect(shown(translateGateways(kubeReader(input.toReversed())))).to.deep.equal(shown(translation));
    });
  }

  it('hands a Gateway’s objects to its proxies only', () => {
    const { objects } = translateGateways(kubeReader([gatewayClass(), gateway('web'), gateway('other')]));
    const selectors = new Set(objects.map(({ content }) => JSON.stringify(content.selector?.match_labels)));
    expect([...selectors].sort()).to.deep.equal([
      '{"gateway.networking.k8s.io/gateway-name":"other","l7mp.io/namespace":"default"}',
      '{"gateway.networking.k8s.io/gateway-name":"web","l7mp.io/namespace":"default"}',
    ]);
  });

  it('hands what is made of routes of Services to sidecars that capture: consumers’ to those of their namespace only', () => {
    const { objects } = translateGateways(kubeReader(readManifests(`${GOLDEN}/mesh.in.yaml`)));
    const wanted = (name: string, ...pods: Record<string, string>[]): boolean[] => {
      const { selector } = objects.find(({ content }) => idOf(content.key) === `Listener/${name}`)!.content;
      return pods.map((labels) => compileSelector(selector)({ id: 'pod', labels }));
    };
    const pods = [
      { 'l7mp.io/captured': 'all', 'l7mp.io/namespace': 'shop' },
      { 'l7mp.io/captured': 'outbound', 'l7mp.io/namespace': 'far' },
      { 'l7mp.io/captured': 'inbound', 'l7mp.io/namespace': 'shop' },
      { 'l7mp.io/namespace': 'shop' },
    ];
    expect(wanted('mesh/producer/shop/shop/80/tcp', ...pods)).to.deep.equal([true, false, false, false]);
    expect(wanted('mesh/consumer/far/shop/shop/80/tcp', ...pods)).to.deep.equal([false, true, false, false]);
    // Who has routes of his own for one port has the producer's for others.
    expect(wanted('mesh/producer/shop/shop/443/tcp', ...pods)).to.deep.equal([true, true, false, false]);
  });

  it('is Programmed once all proxies have it, and says how many do', () => {
    const reader = kubeReader([gatewayClass(), gateway('web')]);
    const plan = translateGateways(reader).statuses.find(({ ref }) => ref.kind === 'Gateway')!;
    const of = (progress: Partial<Progress>): unknown => {
      const { listeners } = plan.render({ ...DONE, ...progress }) as {
        listeners: { conditions: { type: string }[] }[];
      };
      const { status, reason, message } = listeners[0]!.conditions.find(({ type }) => type === 'Programmed')! as Record<
        string,
        unknown
      >;
      return [status, reason, message];
    };
    expect(of({})).to.deep.equal(['True', 'Programmed', '2 of 2 proxies']);
    expect(of({ acked: 1 })).to.deep.equal(['False', 'Pending', '1 of 2 proxies']);
    expect(of({ acked: 0, selected: 0 })).to.deep.equal(['False', 'Pending', '0 of 0 proxies']);
    expect(of({ acked: 1, failures: ['a: no'] })).to.deep.equal(['False', 'Invalid', '1 of 2 proxies; a: no']);
  });

  it('takes lists and names of any length', async () => {
    const [long, hostname] = ['n'.repeat(253), `${`${'h'.repeat(62)}.`.repeat(4)}a`];
    const rules = Array.from({ length: 1001 }, (_, index) => ({
      matches: [{ path: { value: `/${index}` } }],
      backendRefs: [{ name: long, port: 80 }],
    }));
    const web = gateway('n'.repeat(63), [{ name: 'http', port: 80, protocol: 'HTTP', hostname }]);
    const many = httpRoute(long, web.metadata.name, { rules });
    const { objects } = translateGateways(kubeReader([gatewayClass(), web, backend(long), many]));
    expect(await objectFaults(objects.map(({ content }) => content))).to.deep.equal([]);
    const lists = objects.filter(({ content }) => content.key.kind === 'RuleList');
    const lengths = lists.map(({ content }) => (content.spec!['rules'] as unknown[]).length);
    expect(lengths).to.deep.equal([500, 500, 1, 3, 1, 1]);
  });

  it('refuses a Gateway whose name is no label', () => {
    const { infrastructure, objects } = translateGateways(kubeReader([gatewayClass(), gateway('n'.repeat(64))]));
    expect([infrastructure, objects]).to.deep.equal([[], []]);
  });

  it('translates 500 routes to 1,000 services at once', () => {
    const services = Array.from({ length: 1000 }, (_, index) => backend(`s${index}`));
    const routes = Array.from({ length: 500 }, (_, index) =>
      httpRoute(`r${index}`, 'web', {
        hostnames: [`h${index}.example`],
        rules: [
          {
            backendRefs: [
              { name: `s${index}`, port: 80 },
              { name: `s${index + 500}`, port: 80 },
            ],
          },
        ],
      }),
    );
    const reader = kubeReader([gatewayClass(), gateway('web'), ...services, ...routes]);
    translateGateways(reader);
    const began = performance.now();
    const { objects } = translateGateways(reader);
    expect(performance.now() - began).to.be.lessThan(500); // some 20 ms on a machine that does nothing else
    expect(objects.filter(({ content }) => content.key.kind === 'Cluster')).to.have.length(1000);
  });
});
