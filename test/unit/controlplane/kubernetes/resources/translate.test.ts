/** Our own kinds to configuration objects and statuses: golden files. `UPDATE=1` writes them anew. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { parse, stringify } from 'yaml';
import { emptySnapshot } from '../../../../../config/decode.ts';
import type { KubeObject } from '../../../../../controlplane/kubernetes/api/object.ts';
import type { KubeReader, Progress } from '../../../../../controlplane/kubernetes/api/reader.ts';
import { checkEnvelope, decodeContent } from '../../../../../controlplane/model/decode-content.ts';
import { asObject, idOf } from '../../../../../controlplane/model/object.ts';
import { Translator } from '../../../../../controlplane/translate/translator.ts';
import { translateOwn } from '../../../../support/translate-own.ts';
import { kubeReader, readManifests } from '../../../../support/kube-reader.ts';

const GOLDEN = 'test/golden/kubernetes/resources';
const NOW = Date.parse('2026-01-01T01:00:00Z');
const PROGRESS: Progress = { selected: 2, acked: 2, serving: 1, failures: [] };

function read(file: string): KubeObject[] {
  return readManifests(`${GOLDEN}/${file}`);
}

describe('translating our own kinds', () => {
  for (const file of readdirSync(GOLDEN).filter((name) => name.endsWith('.in.yaml'))) {
    const objects = read(file);

    it(`gives what ${file.replace('.in.yaml', '.out.yaml')} says, and nothing that proxies would refuse`, () => {
      const { objects: contents, statuses, expired, nextExpiry } = translateOwn(kubeReader(objects), { now: NOW });
      for (const { content } of contents) {
        expect([idOf(content.key), ...checkEnvelope(content)]).to.deep.equal([idOf(content.key)]);
        expect([idOf(content.key), ...decodeContent(content, emptySnapshot()).faults]).to.have.length(1);
      }
      const out = {
        objects: contents.map(({ owner, content: { key, selector, spec } }) => ({
          id: idOf(key),
          owner: `${owner.kind} ${owner.namespace}/${owner.name}`,
          selector,
          spec: key.kind === 'Secret' ? Object.keys(spec ?? {}) : spec,
        })),
        statuses: statuses.map((plan) => ({
          of: `${plan.ref.kind} ${plan.ref.namespace}/${plan.ref.name}`,
          objects: plan.objects,
          status: plan.render(PROGRESS),
        })),
        expired,
        ...(nextExpiry !== undefined && { nextExpiry: new Date(nextExpiry).toISOString() }),
      };
      const path = `${GOLDEN}/${file.replace('.in.yaml', '.out.yaml')}`;
      const text = stringify(out, { lineWidth: 120, aliasDuplicateObjects: false });
      if (process.env['UPDATE'] === '1') writeFileSync(path, text);
      expect(parse(text)).to.deep.equal(parse(readFileSync(path, 'utf8')));
    });

    it(`gives the control plane of ${file} what it takes, and no name twice`, async () => {
      const { objects: contents } = translateOwn(kubeReader(objects), { now: NOW });
      const ids = contents.map(({ content }) => idOf(content.key));
      expect(new Set(ids).size).to.equal(ids.length);
      const translator = new Translator();
      const upsert = contents.map(({ content }) => {
        const object = asObject(content);
        return { id: object.id, object, audience: { selector: object.selector } };
      });
      (await translator.stage(upsert, [])).commit();
      for (const id of ids) {
        expect([id, translator.verdict(id)]).to.deep.equal([id, { accepted: true, faults: [] }]);
        const missing = translator.warnings(id).filter(({ found }) => !/^"service\/|bad-target"$/u.test(found));
        expect([id, missing]).to.deep.equal([id, []]);
      }
    });

    it(`gives the same for ${file}, whatever the order`, () => {
      const text = (all: readonly KubeObject[]): string => {
        const { statuses, ...rest } = translateOwn(kubeReader(all), { now: NOW });
        return JSON.stringify([rest, statuses.map((plan) => [plan, plan.render(PROGRESS)])]);
      };
      expect(text(objects.toReversed())).to.equal(text(objects));
    });
  }

  it('refuses names of other namespaces where there are no ReferenceGrants, and says why', () => {
    const reader = { ...kubeReader(read('names.in.yaml')), has: (kind: string) => kind !== 'ReferenceGrant' };
    const without = {
      ...reader,
      list: ((kind) => (kind === 'ReferenceGrant' ? [] : reader.list(kind))) as KubeReader['list'],
    };
    const plan = translateOwn(without).statuses.find(({ ref }) => ref.name === 'works');
    expect(JSON.stringify(plan?.render(PROGRESS))).to.contain('Gateway API is not installed');
    expect(plan?.objects).to.deep.equal([]);
  });

  it('gives a port to the next one when its holder is gone', () => {
    const objects = read('conflicts.in.yaml').filter(({ metadata }) => metadata.name !== 'old');
    const ids = translateOwn(kubeReader(objects), { now: NOW }).objects.map(({ content }) => idOf(content.key));
    expect(ids).to.include('Listener/default/young').and.to.not.include('Listener/default/elsewhere');
  });

  it('lets the pods of a cluster change without the cluster', () => {
    const objects = read('udp-to-websocket.in.yaml');
    const fewer = objects.filter(({ metadata }) => metadata.name !== 'backend-1');
    const [before, after] = [objects, fewer].map((all) => translateOwn(kubeReader(all)).objects);
    const changed = before!.filter(
      ({ content }, index) => JSON.stringify(content) !== JSON.stringify(after![index]?.content),
    );
    expect(changed.map(({ content }) => idOf(content.key))).to.deep.equal(['ClusterLoadAssignment/default/sticky']);
  });

  it('takes a session from the proxies when its time is over', () => {
    const reader = kubeReader(read('sessions.in.yaml'));
    const at = (time: string) => translateOwn(reader, { now: Date.parse(time) });
    const before = at('2026-01-01T01:59:59.999Z');
    expect([before.expired.length, before.objects.length]).to.deep.equal([1, 4]);
    expect(before.nextExpiry).to.equal(Date.parse('2026-01-01T02:00:00Z'));
    const after = at('2026-01-01T02:00:00Z');
    expect([after.expired.length, after.objects.length, after.nextExpiry]).to.deep.equal([2, 0, undefined]);
  });

  it('keeps what is wrong with one object from all others, whatever it is', function () {
    this.timeout(60_000);
    const objects = read('names.in.yaml').concat(read('sessions.in.yaml'));
    const bystander = { listener: { spec: { UDP: { port: 9 } }, rules: [] } };
    const beside = {
      apiVersion: 'l7mp.io/v1',
      kind: 'VirtualService',
      metadata: { name: 'a', namespace: 'z' },
      spec: bystander,
    };
    let tried = 0;
    objects.forEach((object, index) => {
      if (object.apiVersion !== 'l7mp.io/v1') return;
      for (const broken of mutations(object.spec)) {
        const all = [...objects.with(index, { ...object, spec: broken }), beside];
        const { objects: contents, statuses } = translateOwn(kubeReader(all), { now: NOW });
        for (const plan of statuses) plan.render(PROGRESS);
        const ids = contents.map(({ content }) => idOf(content.key));
        expect(ids, JSON.stringify(broken)).to.include('Listener/z/a');
        for (const { content } of contents) {
          const faults = [...checkEnvelope(content), ...decodeContent(content, emptySnapshot()).faults];
          expect(faults, JSON.stringify(broken)).to.deep.equal([]);
        }
        tried++;
      }
    });
    expect(tried).to.be.greaterThan(300);
  });
});

/** A value with each of its parts replaced by something that it can't be, one at a time. */
function* mutations(value: unknown): Iterable<unknown> {
  for (const wrong of [null, 'Wrong Value', [[]]]) yield wrong;
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    for (const changed of mutations(item)) {
      yield Array.isArray(value) ? value.with(Number(key), changed) : { ...value, [key]: changed };
    }
  }
}
