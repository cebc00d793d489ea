/** Objects to resources: golden files, and what a change costs. `UPDATE=1` writes the golden files anew. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { expect } from 'chai';
import { parse, stringify } from 'yaml';
import { decodeBytes } from '../../../../config/wire.ts';
import { kindOf } from '../../../../config/wire-kinds.ts';
import { contentOf, idOf, type ConfigObject, versionOf } from '../../../../controlplane/model/object.ts';
import { readObjects } from '../../../../controlplane/sources/object-file.ts';
import { checkChange } from '../../../../controlplane/translate/check.ts';
import { Translator } from '../../../../controlplane/translate/translator.ts';
import type { Input, Translation } from '../../../../controlplane/model/translated.ts';
import { object } from '../../../support/controlplane.ts';

const GOLDEN = 'test/golden/translate';

function configObject(kind: string, name: string, spec: object, source = 'api'): ConfigObject {
  const content = contentOf(object(kind, name, spec));
  return { ...content, id: idOf(content.key), version: versionOf(content), revision: 1, source };
}

const input = (of: ConfigObject): Input => ({ id: of.id, object: of, audience: { selector: of.selector } });
const cluster = (name: string, address: string): Input =>
  input(configObject('Cluster', name, { spec: { protocol: 'UDP', port: 1 }, endpoints: [address] }));

async function update(
  translator: Translator,
  upsert: readonly Input[],
  remove: readonly string[],
): Promise<Translation> {
  const { translation, commit } = await translator.stage(upsert, remove);
  commit();
  return translation;
}

describe('translating objects', () => {
  for (const file of readdirSync(GOLDEN).filter((name) => name.endsWith('.in.yaml'))) {
    it(`gives what ${file.replace('.in.yaml', '.out.yaml')} says`, async () => {
      const { objects } = await readObjects(readFileSync(`${GOLDEN}/${file}`, 'utf8'));
      const translator = new Translator();
      const inputs = objects.map(({ content }) =>
        input({ ...content, id: idOf(content.key), version: versionOf(content), revision: 0, source: `file:${file}` }),
      );
      const { upsert } = await update(translator, inputs, []);
      const ir = upsert
        .toSorted((one, other) => (one.id < other.id ? -1 : 1))
        .map(({ id, audience, resources }) => ({
          id,
          ...(audience.selector && { selector: audience.selector }),
          resources: resources.map(({ typeUrl, value, companion }) => {
            const kind = kindOf(typeUrl)!;
            return { [kind]: decodeBytes(kind, value), ...(companion && { companion: companion.name }) };
          }),
        }));
      const statuses = inputs.map(({ id }) => {
        const warnings = translator.warnings(id);
        return { id, ...translator.verdict(id), ...(warnings.length > 0 && { warnings }) };
      });
      const path = `${GOLDEN}/${file.replace('.in.yaml', '.out.yaml')}`;
      const text = stringify({ ir, statuses }, { lineWidth: 120, aliasDuplicateObjects: false });
      if (process.env['UPDATE'] === '1') writeFileSync(path, text);
      expect(parse(text)).to.deep.equal(parse(readFileSync(path, 'utf8')));
    });
  }

  it('lets others have their turn while a large change is thought through, and shows them nothing of it', async () => {
    const translator = new Translator();
    const inputs = Array.from({ length: 2000 }, (_, index) => cluster(`c${index}`, '10.0.0.1'));
    const done = new AbortController();
    const staging = translator.stage(inputs, []).finally(() => done.abort());
    let turns = 0;
    for (; !done.signal.aborted; turns++) {
      const taken = translator.claims.has('type.googleapis.com/l7mp.config.v1.Cluster c0');
      expect([translator.verdict('Cluster/c0'), taken]).to.deep.equal([undefined, false]);
      await setImmediate();
    }
    expect(turns).to.be.greaterThan(4);
    (await staging).commit();
    expect(inputs.every(({ id }) => translator.verdict(id)?.accepted)).to.equal(true);
  });

  it('encodes only what changed', async () => {
    const translator = new Translator();
    await update(
      translator,
      Array.from({ length: 500 }, (_, index) => cluster(`c${index}`, '10.0.0.1')),
      [],
    );
    expect(translator.encodings).to.equal(500);
    const { upsert } = await update(translator, [cluster('c7', '10.0.0.2'), cluster('c8', '10.0.0.1')], []);
    expect(translator.encodings).to.equal(501);
    expect(upsert.map(({ id }) => id)).to.deep.equal(['Cluster/c7']);
    const moved = { ...cluster('c9', '10.0.0.1'), audience: { cohort: { from: 0, to: 5 } } };
    expect((await update(translator, [moved], [])).upsert.map(({ id }) => id)).to.deep.equal(['Cluster/c9']);
    expect(translator.encodings).to.equal(501);
  });

  it("changes only the load assignment's version when an endpoint changes", async () => {
    const translator = new Translator();
    const [before] = (await update(translator, [cluster('c', '10.0.0.1')], [])).upsert;
    const [after] = (await update(translator, [cluster('c', '10.0.0.2')], [])).upsert;
    const versions = (all: typeof before) => all!.resources.map(({ version }) => version);
    expect(versions(after)[0]).to.equal(versions(before)[0]);
    expect(versions(after)[1]).to.not.equal(versions(before)[1]);
    expect(after!.resources[0]?.companion?.name).to.equal('c');
  });

  it('sets a bad object aside and keeps its last good one', async () => {
    const translator = new Translator();
    await update(translator, [cluster('c', '10.0.0.1'), cluster('d', '10.0.0.1')], []);
    const bad = input(configObject('Cluster', 'c', { spec: { protocol: 'UDP', port: 'x' } }));
    const { upsert, remove, restated } = await update(translator, [bad, cluster('d', '10.0.0.2')], []);
    expect([upsert.map(({ id }) => id), remove, [...restated].sort()]).to.deep.equal([
      ['Cluster/d'],
      [],
      ['Cluster/c', 'Cluster/d'],
    ]);
    expect(translator.verdict('Cluster/c')?.faults[0]?.path).to.equal('spec.port');
    expect((await update(translator, [], ['Cluster/c'])).remove).to.deep.equal(['Cluster/c']);
  });

  it('gives a name that several objects have to the first of them, and to the next when that is gone', async () => {
    const translator = new Translator();
    const inline = (source: string, name: string): Input => {
      const spec = { spec: { protocol: 'TCP', port: 1 }, rules: { name: 'shared', rules: [] } };
      return { ...input(configObject('Listener', name, spec, source)) };
    };
    await update(translator, [inline('file:b', 'b')], []);
    const { upsert } = await update(translator, [inline('api', 'a')], []);
    const names = new Map(upsert.map(({ id, resources }) => [id, resources.map(({ name }) => name)]));
    expect(names.get('Listener/a')).to.have.members(['a', 'shared']);
    expect(names.get('Listener/b')).to.have.members(['b']);
    expect(translator.verdict('Listener/b')?.faults[0]?.found).to.contain('Listener/a (api)');
    const after = await update(translator, [], ['Listener/a']);
    expect(after.upsert.map(({ id, resources }) => [id, resources.length])).to.deep.equal([['Listener/b', 2]]);
    expect(translator.verdict('Listener/b')).to.deep.equal({ accepted: true, faults: [] });
  });

  it('finds rule lists that apply each other in a circle, and forgets it when the circle is broken', async () => {
    const translator = new Translator();
    const list = (name: string, apply: string): Input =>
      input(configObject('RuleList', name, { rules: [{ action: { apply } }] }));
    await update(translator, [list('a', 'b')], []);
    await update(translator, [list('b', 'a')], []);
    expect(translator.verdict('RuleList/a')?.accepted).to.equal(true);
    expect(translator.verdict('RuleList/b')?.faults[0]?.expected).to.contain('circle');
    const { upsert } = await update(translator, [list('a', 'c')], []);
    expect(upsert.map(({ id }) => id).sort()).to.deep.equal(['RuleList/a', 'RuleList/b']);
    expect(translator.verdict('RuleList/b')?.accepted).to.equal(true);
  });

  it('passes raw resources untouched, and finds the endpoints that an Envoy cluster names', async () => {
    const name = (text: string) => Buffer.from([...Buffer.from([0x0a, text.length]), ...Buffer.from(text)]);
    const eds = Buffer.from([0x1a, 5, 0x12, 3, ...Buffer.from('svc')]);
    const kind = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
    const raw = (bytes: Buffer): Input => {
      const content = contentOf({
        key: { kind, name: 'x' },
        labels: {},
        raw: bytes,
        version: '',
        revision: 0,
        source: '',
      });
      return input({ ...content, id: idOf(content.key), version: versionOf(content), revision: 0, source: 'api' });
    };
    const translator = new Translator();
    const translated = async (bytes: Buffer) => (await update(translator, [raw(bytes)], [])).upsert[0]?.resources[0];
    const both = Buffer.concat([name('x'), eds]);
    expect((await translated(both))?.value).to.deep.equal(both);
    expect(translator.verdict(`${kind}/x`)).to.deep.equal({ accepted: true, faults: [] });
    expect((await translated(Buffer.concat([eds, name('y')])))?.companion?.name).to.equal('svc');
    expect((await translated(Buffer.concat([name('x'), Buffer.from([0x1a, 0])])))?.companion?.name).to.equal('x');
    expect((await translated(name('x')))?.companion).to.equal(undefined);
    expect((await translated(Buffer.from([0xff, 0xff])))?.companion).to.equal(undefined);
  });

  it('looks at a change beforehand without making it', async () => {
    const translator = new Translator();
    await update(translator, [cluster('c', '10.0.0.1')], []);
    const listener = configObject('Listener', 'l', {
      spec: { protocol: 'TCP', port: 1 },
      rules: [{ action: { route: { destination: { name: 'c', spec: { protocol: 'Echo' } } } } }],
    });
    const proposal = { upsert: [listener], unchanged: [], gone: new Set<string>() };
    const { faults } = await checkChange(translator, proposal);
    expect([...faults.keys()]).to.deep.equal(['Listener/l']);
    const { faults: none } = await checkChange(translator, { ...proposal, gone: new Set(['Cluster/c']) });
    expect(none.size).to.equal(0);
    expect(translator.verdict('Listener/l')).to.equal(undefined);
    const { encodings } = translator;
    await update(translator, [input(listener)], ['Cluster/c']);
    expect([translator.verdict('Listener/l')?.accepted, translator.encodings]).to.deep.equal([true, encodings]);
  });

  it('says beforehand whom a change would leave without what they name', async () => {
    const translator = new Translator();
    const route = (name: string, destination: string) => configObject('Route', name, { destination });
    const inline = { spec: { protocol: 'Echo' }, name: 'd' };
    const holder = configObject('Route', 'holder', { destination: inline });
    const [c, r, s] = [cluster('c', '10.0.0.1'), route('r', 'c'), route('s', 'd')];
    await update(translator, [c, input(r), input(s), input(holder)], []);
    const nothing = { upsert: [], unchanged: [], gone: new Set<string>() };
    const look = async (proposal: Partial<typeof nothing> | { upsert: ConfigObject[] }, hasFallback = false) => {
      const { dangling, danglingElsewhere } = await checkChange(
        translator,
        { ...nothing, ...proposal },
        () => hasFallback,
      );
      return [
        [...dangling.keys()],
        danglingElsewhere.map(({ key, warnings }) => [key.name, warnings.map(({ path }) => path)]),
      ];
    };
    const gone = new Set(['Cluster/c']);
    expect(await look({ gone })).to.deep.equal([[], [['r', ['destination']]]]);
    // A file has one of this name; who goes along is not left; who is named by the change is told of with it.
    expect(await look({ gone }, true)).to.deep.equal([[], []]);
    expect(await look({ gone: new Set(['Cluster/c', 'Route/r']) })).to.deep.equal([[], []]);
    expect(await look({ gone, unchanged: [r] as never[] })).to.deep.equal([['Route/r'], []]);
    // So it is with what was written in an object that is another now.
    const other = route('holder', 'c');
    expect(await look({ upsert: [other] })).to.deep.equal([[], [['s', ['destination']]]]);
    expect(await look({ upsert: [other, route('t', 'nowhere')] })).to.deep.equal([
      ['Route/t'],
      [['s', ['destination']]],
    ]);
    expect(translator.warnings('Route/r')).to.deep.equal([]);
    await update(translator, [], ['Cluster/c']);
    expect(translator.warnings('Route/r').map(({ path, found }) => [path, found])).to.deep.equal([
      ['destination', '"c"'],
    ]);
  });
});
