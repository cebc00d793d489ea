/** The configuration service, call by call, over a store in memory. */
import { setImmediate } from 'node:timers/promises';
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import type * as m from '../../../../gen/messages.ts';
import { RpcError, STATUS } from '../../../../controlplane/core/rpc.ts';
import { StoreError } from '../../../../controlplane/core/store.ts';
import { codecOf } from '../../../../rpc/protos.ts';
import { APPLY, NOBODY, object, READER, type Rig, startRig, FIRST_PAGE } from '../../../support/controlplane.ts';
import { selfSigned } from '../../../support/self-signed.ts';
import { MemoryStore, type MemoryDisk } from '../../../support/memory-store.ts';
import { until } from '../../../support/until.ts';
import { restore } from '../../../../controlplane/store/backup.ts';
import { versionKey } from '../../../../controlplane/model/keys.ts';

const UDP = { spec: { protocol: 'UDP', port: 5000 }, rules: [{ action: { route: { destination: 'c' } } }] };
const CLUSTER = { spec: { protocol: 'UDP', port: 1 }, endpoints: ['10.0.0.1'] };

describe('the configuration service', () => {
  let rig: Rig;

  beforeEach(async () => {
    rig = await startRig();
  });

  afterEach(() => rig.close());

  const apply = (objects: m.Object[], more: Partial<m.ApplyRequest> = {}) =>
    rig.call<m.ApplyResponse>('Apply', { ...APPLY, objects, ...more });
  const get = async (kind: string, name: string) =>
    (await rig.call<m.GetResponse>('Get', { key: { kind, name } })).object!;

  async function refused(call: Promise<unknown>): Promise<RpcError> {
    const error: unknown = await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(RpcError);
    return error as RpcError;
  }

  it('makes, changes and deletes objects, and remembers who did what when and why', async () => {
    const made = await apply([object('Cluster', 'c', CLUSTER), object('Listener', 'l', UDP)], { message: 'first' });
    expect(made.version).to.equal(1);
    expect(made.changes.map(({ action }) => action)).to.deep.equal(['created', 'created']);
    const again = await apply([object('Cluster', 'c', CLUSTER)]);
    expect([again.version, again.changes[0]?.action]).to.deep.equal([0, 'unchanged']);
    expect(again.revision).to.equal(made.revision);
    const changed = await apply([object('Cluster', 'c', { ...CLUSTER, endpoints: ['10.0.0.2'] })], {
      message: 'second',
    });
    expect([changed.version, changed.changes[0]?.action]).to.deep.equal([2, 'updated']);
    await rig.call('Delete', {
      keys: [{ kind: 'Listener', name: 'l' }],
      dry_run: false,
      message: '',
      ignore_missing: false,
    });
    expect((await refused(get('Listener', 'l'))).code).to.equal(STATUS.NOT_FOUND);
    const { versions } = await rig.call<m.ListVersionsResponse>('ListVersions', { ...FIRST_PAGE, before: 0 });
    expect(versions.map(({ number, author, message }) => [number, author, message])).to.deep.equal([
      [3, 'token:ci', ''],
      [2, 'token:ci', 'second'],
      [1, 'token:ci', 'first'],
    ]);
    const { version } = await rig.call<m.GetVersionResponse>('GetVersion', { number: 2 });
    expect(version?.changes[0]?.before?.spec?.['endpoints']).to.deep.equal(['10.0.0.1']);
    expect(version?.changes[0]?.after?.spec?.['endpoints']).to.deep.equal(['10.0.0.2']);
    const ofOne = await rig.call<m.ListVersionsResponse>('ListVersions', {
      ...FIRST_PAGE,
      key: { kind: 'Listener', name: 'l' },
      before: 0,
    });
    expect(ofOne.versions.map(({ number }) => number)).to.deep.equal([3, 1]);
  });

  it('answers others while it takes a large change, and shows them all of the old or all of the new', async () => {
    const names = Array.from({ length: 1500 }, (_, index) => `c${index}`);
    const all = (address: string) => names.map((name) => object('Cluster', name, { ...CLUSTER, endpoints: [address] }));
    await apply(all('10.0.0.1'));
    const done = new AbortController();
    const applying = apply(all('10.0.0.2')).finally(() => done.abort());
    let turns = 0;
    for (; !done.signal.aborted; turns++) {
      const shown = await Promise.all(['c0', 'c1499'].map((name) => get('Cluster', name)));
      const [first, last] = shown.map(({ spec, status }) => [spec?.['endpoints'], status?.accepted]);
      expect(first).to.deep.equal(last);
      expect(first?.[1]).to.equal(true);
      await setImmediate();
    }
    expect(turns).to.be.greaterThan(10);
    await applying;
    expect((await get('Cluster', 'c0')).spec?.['endpoints']).to.deep.equal(['10.0.0.2']);
  });

  it('refuses a request as a whole, with all that is wrong with all objects', async () => {
    const error = await refused(
      apply([
        object('Cluster', 'good', CLUSTER),
        object('Cluster', 'bad', { spec: { protocol: 'UDP', port: 'x' }, endpoint: [] }),
        object('Lister', 'l', {}),
        object('Listener', 'l', UDP, {
          selector: { match_labels: {}, match_expressions: [{ key: 'a', operator: 'Is', values: [] }], match_ids: [] },
        }),
      ]),
    );
    expect(error.code).to.equal(STATUS.INVALID_ARGUMENT);
    expect(error.message.split('\n')).to.have.length(4);
    expect(error.message).to.contain('Cluster/bad: spec.port: expected').and.contain('Lister/l: key.kind: expected');
    expect(error.message).to.contain('Listener/l: selector.match_expressions[0].operator: expected one of In');
    const codec = codecOf<m.ObjectFaults>('l7mp.admin.v1.ObjectFaults');
    const details = error.details.map(({ value }) => codec.decode(value));
    expect(details.map(({ index }) => index)).to.deep.equal([1, 2, 3]);
    expect(details[0]?.faults.map(({ path }) => path)).to.deep.equal(['spec.port', 'endpoint']);
    const { objects } = await rig.call<m.ListResponse>('List', { kinds: [], labels: {}, page_size: 0, page_token: '' });
    expect(objects).to.deep.equal([]);
  });

  it('refuses names that objects written in others have, and rule lists in a circle', async () => {
    await apply([
      object('Listener', 'l', UDP),
      object('RuleList', 'a', { rules: [{ name: 'r', action: { apply: 'b' } }] }),
    ]);
    const clash = await refused(apply([object('RuleList', 'l-RuleList-1', { rules: [] })]));
    expect(clash.message).to.contain('expected a name that no other RuleList has').and.contain('Listener/l (api)');
    const circle = await refused(apply([object('RuleList', 'b', { rules: [{ name: 's', action: { apply: 'a' } }] })]));
    expect(circle.message).to.contain('circle');
  });

  it('changes nothing in a dry run, and shows the difference', async () => {
    await apply([object('Cluster', 'c', CLUSTER)]);
    const { transactions } = rig.store.disk;
    const dry = await apply([object('Cluster', 'd', CLUSTER)], { dry_run: true, replace_kinds: ['*'] });
    expect(dry.changes.map(({ key, action }) => [key?.name, action])).to.deep.equal([
      ['d', 'created'],
      ['c', 'deleted'],
    ]);
    expect(dry.changes[0]?.after?.spec).to.deep.equal(CLUSTER);
    expect(dry.changes[1]?.before?.spec).to.deep.equal(CLUSTER);
    expect(rig.store.disk.transactions).to.equal(transactions);
    expect((await refused(apply([object('Cluster', 'd', {})], { dry_run: true }))).code).to.equal(
      STATUS.INVALID_ARGUMENT,
    );
  });

  it('does nothing where a revision is another, and says of which object', async () => {
    const { revision } = await apply([object('Cluster', 'c', CLUSTER)]);
    const stale = object('Cluster', 'c', { ...CLUSTER, endpoints: [] }, { if_revision: revision - 1 });
    const error = await refused(apply([stale]));
    expect([error.code, error.message]).to.satisfy(
      ([code, text]: [number, string]) =>
        code === STATUS.ABORTED && text.includes(`Cluster/c: expected none such, found revision ${revision}`),
    );
    await apply([{ ...stale, if_revision: revision }]);
    expect((await refused(apply([object('Cluster', 'c', CLUSTER, { if_revision: 0 })]))).code).to.equal(STATUS.ABORTED);
  });

  it('makes concurrent changes on several replicas one after the other', async () => {
    const other = await startRig({ store: new MemoryStore(rig.store.disk) });
    try {
      const changes = Array.from({ length: 20 }, (_, index) => {
        const request = { ...APPLY, objects: [object('Cluster', `c${index}`, CLUSTER)] };
        return (index % 2 === 0 ? rig : other).call<m.ApplyResponse>('Apply', request);
      });
      const versions = (await Promise.all(changes)).map(({ version }) => version);
      expect(versions.sort((one, two) => one - two)).to.deep.equal(Array.from({ length: 20 }, (_, index) => index + 1));
    } finally {
      await other.close();
    }
  });

  it('tries again at once where another came first, though the store has newer revisions of other keys', async () => {
    const ahead = (disk: MemoryDisk): MemoryStore => {
      const store = new MemoryStore(disk);
      const transact = store.transact.bind(store);
      const beat = { type: 'put', key: 'status/cp-2/beat', value: Buffer.from('') } as const;
      // As etcd answers where somebody wrote a key that is not live in between.
      store.transact = async (conditions, operations) => {
        const outcome = await transact(conditions, operations);
        return outcome.ok ? outcome : { ...outcome, revision: (await transact([], [beat])).revision };
      };
      return store;
    };
    const replicas = [
      await startRig({ store: ahead(rig.store.disk) }),
      await startRig({ store: ahead(rig.store.disk) }),
    ];
    try {
      const changes = replicas.map((each, index) =>
        each.call<m.ApplyResponse>('Apply', { ...APPLY, objects: [object('Cluster', `c${index}`, CLUSTER)] }),
      );
      const versions = (await Promise.all(changes)).map(({ version }) => version);
      expect(versions.sort((one, two) => one - two)).to.deep.equal([1, 2]);
    } finally {
      for (const each of replicas) await each.close();
    }
  });

  it('goes back to how all was, or one object, and keeps that in the history', async () => {
    await apply([object('Cluster', 'c', CLUSTER), object('Cluster', 'd', CLUSTER)]);
    await apply([object('Cluster', 'c', { ...CLUSTER, endpoints: ['10.0.0.2'] })], { replace_kinds: ['*'] });
    await apply([object('Cluster', 'e', CLUSTER)]);
    const one = await rig.call<m.RollbackResponse>('Rollback', {
      number: 1,
      key: { kind: 'Cluster', name: 'd' },
      dry_run: false,
      message: 'back',
    });
    expect(one.changes.map(({ key, action }) => [key?.name, action])).to.deep.equal([['d', 'created']]);
    const all = await rig.call<m.RollbackResponse>('Rollback', { number: 1, dry_run: false, message: '' });
    expect(all.version).to.equal(5);
    const { objects } = await rig.call<m.ListResponse>('List', { kinds: [], labels: {}, page_size: 0, page_token: '' });
    expect(objects.map(({ key, spec }) => [key?.name, spec?.['endpoints']])).to.deep.equal([
      ['c', ['10.0.0.1']],
      ['d', ['10.0.0.1']],
    ]);
    const last = await rig.call<m.RollbackResponse>('Rollback', { number: 0, dry_run: true, message: '' });
    expect(last.changes.map(({ key }) => key?.name).sort()).to.deep.equal(['c', 'e']);
    expect((await refused(rig.call('Rollback', { number: 9, dry_run: false, message: '' }))).code).to.equal(
      STATUS.NOT_FOUND,
    );
  });

  it('keeps the last 1,000 versions', async () => {
    const rule = (route: string) => apply([object('Rule', 'r', { action: { route } })]);
    for (const route of ['one', 'two', 'three']) await rule(route);
    const { modRevision } = (await rig.store.get('live/head'))!;
    const jump = { type: 'put', key: 'live/head', value: Buffer.from('1001') } as const;
    await rig.store.transact([{ key: 'live/head', modRevision }], [jump]);
    expect((await rule('last')).version).to.equal(1002);
    const { entries } = await rig.store.list('history/');
    const kept = entries
      .filter(({ key }) => !key.slice('history/'.length).includes('/'))
      .map(({ key }) => Number(key.slice(8)));
    expect([kept, entries.length]).to.deep.equal([[1, 3, 1002], 6]); // each with one part
    expect((await refused(rig.call('GetVersion', { number: 2 }))).code).to.equal(STATUS.NOT_FOUND);
    const back = { number: 1, dry_run: false, message: '' };
    expect((await refused(rig.call('Rollback', back))).code).to.equal(STATUS.OUT_OF_RANGE);
    const { version } = await rig.call<m.GetVersionResponse>('GetVersion', { number: 1002 });
    expect(version?.changes[0]?.after?.spec).to.deep.equal({ action: { route: 'last' } });
    expect(version?.changes[0]?.before?.spec).to.deep.equal({ action: { route: 'three' } });
  });

  it('shows the history page by page, however few of its versions are what is asked for', async () => {
    const rule = (route: string) => apply([object('Rule', 'r', { action: { route } })]);
    await apply([object('Cluster', 'c', CLUSTER)]);
    for (let index = 0; index < 6; index++) await rule(`route-${index}`);
    const numbers: number[][] = [];
    const page = async (request: object): Promise<m.ListVersionsResponse> => {
      const found = await rig.call<m.ListVersionsResponse>('ListVersions', { before: 0, ...FIRST_PAGE, ...request });
      numbers.push(found.versions.map(({ number }) => number));
      return found;
    };
    const first = await page({ page_size: 3 });
    const second = await page({ page_size: 3, page_token: first.next_page_token });
    const third = await page({ page_size: 3, page_token: second.next_page_token });
    expect([numbers, third.next_page_token]).to.deep.equal([[[7, 6, 5], [4, 3, 2], [1]], '']);
    await page({ page_size: 3, before: 3 });
    await page({ key: { kind: 'Cluster', name: 'c' } });
    expect(numbers.slice(3)).to.deep.equal([[2, 1], [1]]);
    // Most of a long history is not of this object.
    const { modRevision } = (await rig.store.get('live/head'))!;
    const jump = { type: 'put', key: 'live/head', value: Buffer.from('599') } as const;
    const { value } = (await rig.store.get(versionKey(7)))!;
    const more = Array.from({ length: 599 - 7 }, (_, index) => ({
      type: 'put' as const,
      key: versionKey(index + 8),
      value: Buffer.from(value.toString().replace('"number":7', `"number":${index + 8}`)),
    }));
    const { revision } = await rig.store.transact([{ key: 'live/head', modRevision }], [jump, ...more]);
    await until('the versions', () => rig.configuration.figures().revision === revision);
    const none = await page({ key: { kind: 'Cluster', name: 'c' } });
    expect(none.versions).to.deep.equal([]);
    const rest = await page({ key: { kind: 'Cluster', name: 'c' }, page_token: none.next_page_token });
    expect([rest.versions.map(({ number }) => number), rest.next_page_token]).to.deep.equal([[1], '']);
  });

  it('refuses pages of less than nothing and tokens of other lists, and to get nothing', async () => {
    for (const method of ['List', 'ListVersions', 'ListRollouts', 'ListProxies']) {
      const request = { kinds: [], labels: {}, before: 0 };
      const negative = await refused(rig.call(method, { ...request, ...FIRST_PAGE, page_size: -1 }));
      expect([negative.code, negative.message]).to.deep.equal([
        STATUS.INVALID_ARGUMENT,
        'page_size: expected a number from 0, found -1',
      ]);
      const page_token = Buffer.from('["a","b","c","d"]').toString('base64url');
      const other = await refused(rig.call(method, { ...request, ...FIRST_PAGE, page_token }));
      expect([other.code, other.message.split(':')[0]]).to.deep.equal([STATUS.INVALID_ARGUMENT, 'page_token']);
    }
    expect((await refused(rig.call('Get', {}))).code).to.equal(STATUS.INVALID_ARGUMENT);
  });

  it('shows proxies page by page', async () => {
    for (const id of ['c', 'a', 'b']) rig.proxy(id);
    const first = await rig.call<m.ListProxiesResponse>('ListProxies', { page_size: 2, page_token: '' });
    const { next_page_token: page_token } = first;
    const last = await rig.call<m.ListProxiesResponse>('ListProxies', { page_size: 2, page_token });
    expect([first, last].map(({ proxies }) => proxies.map(({ id }) => id))).to.deep.equal([['a', 'b'], ['c']]);
    expect(last.next_page_token).to.equal('');
  });

  it('lists page by page, by kind and by label', async () => {
    const objects = ['a', 'b', 'c', 'd', 'e'].map((name) =>
      object('Cluster', name, CLUSTER, { labels: { team: name < 'c' ? 'x' : 'y' } }),
    );
    await apply([...objects, object('Listener', 'l', UDP)]);
    const names: unknown[] = [];
    let page_token = '';
    do {
      const page: m.ListResponse = await rig.call('List', {
        kinds: ['Cluster'],
        labels: { team: 'y' },
        page_size: 2,
        page_token,
      });
      names.push(page.objects.map(({ key }) => key?.name));
      page_token = page.next_page_token;
    } while (page_token !== '');
    expect(names).to.deep.equal([['c', 'd'], ['e']]);
    expect((await refused(rig.call('List', { kinds: [], labels: {}, page_size: 0, page_token: 'x' }))).code).to.equal(
      STATUS.INVALID_ARGUMENT,
    );
  });

  it('never shows a secret, and takes its digest for it when it comes back', async () => {
    const { cert, key } = selfSigned('s.example');
    const [, secret = ''] = key.split('\n');
    const tls = { spec: { protocol: 'TLS', port: 1, tls: { cert: 'c.pem', key } } };
    await apply([object('Secret', 's', { cert, key }), object('Listener', 't', { ...tls, rules: [] })]);
    for (const [kind, name] of [
      ['Secret', 's'],
      ['Listener', 't'],
    ] as const) {
      const shown = await get(kind, name);
      expect(JSON.stringify(shown)).to.contain('sha256:').and.not.contain(secret);
      expect((await apply([object(kind, name, shown.spec ?? {})])).changes[0]?.action).to.equal('unchanged');
    }
    const shown = await get('Secret', 's');
    const error = await refused(apply([object('Secret', 'new', shown.spec ?? {})]));
    expect(error.message).to.contain('the digest of the present one');
    const { version } = await rig.call<m.GetVersionResponse>('GetVersion', { number: 1 });
    expect(JSON.stringify(version)).to.not.contain(secret);
    const dry = await apply([object('Secret', 's', { cert, key: `${key}x` })], { dry_run: true });
    expect(JSON.stringify(dry)).to.not.contain(secret);
  });

  it('refuses secrets that no proxy would take, and shows nothing of them', async () => {
    const { cert, key } = selfSigned('s.example');
    const [, secret = ''] = key.split('\n');
    for (const [spec, message] of [
      [{ cert: 'x', key: 'y' }, /Secret\/s: cert: expected a certificate and its key in PEM, found /u],
      [{ cert, key: key.replace(secret, secret.slice(1)) }, /cert: expected a certificate and its key in PEM, found /u],
      [
        { cert, key: selfSigned('other.example').key },
        /cert: expected a certificate and its key in PEM, found .*mismatch/u,
      ],
      [{ cert }, /expected cert and key, or neither, found only cert/u],
      [{ ca: 'x' }, /ca: expected certificates in PEM, found .*none/u],
      [{}, /expected cert and key, ca, or all of them, found nothing/u],
    ] as const) {
      const error = await refused(apply([object('Secret', 's', spec)]));
      expect(error.message).to.match(message).and.not.contain(secret.slice(1));
    }
  });

  it('shows no raw resource that has a private key in it', async () => {
    const raw = Buffer.from('\x0a\x01c-----BEGIN EC PRIVATE KEY-----\nMII\n');
    const digest = Buffer.from(`sha256:${createHash('sha256').update(raw).digest('hex')}`);
    const envoy = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
    const rest = { labels: {}, version: '', revision: 0, source: '' };
    const bytes = (name: string, value: Buffer): m.Object => ({ key: { kind: envoy, name }, raw: value, ...rest });
    const plain = Buffer.from('\x0a\x01d');
    await apply([bytes('c', raw), bytes('d', plain)]);
    expect((await get(envoy, 'c')).raw).to.deep.equal(digest);
    expect((await get(envoy, 'd')).raw).to.deep.equal(plain);
    expect((await apply([bytes('c', digest)])).changes[0]?.action).to.equal('unchanged');
    const error = await refused(apply([bytes('d', digest)]));
    expect(error.message).to.contain('the digest of the present one');
  });

  it('lets readers read and nobody else, and writes refusals and changes down', async () => {
    const request = { ...APPLY, objects: [object('Cluster', 'c', CLUSTER)] };
    expect((await refused(rig.call('Apply', request, READER))).code).to.equal(STATUS.PERMISSION_DENIED);
    expect((await refused(rig.call('Backup', {}, READER))).code).to.equal(STATUS.PERMISSION_DENIED);
    expect((await refused(rig.call('Get', { key: { kind: 'Cluster', name: 'c' } }, NOBODY))).code).to.equal(
      STATUS.PERMISSION_DENIED,
    );
    await rig.call('Apply', request);
    await rig.call('Get', { key: { kind: 'Cluster', name: 'c' } }, READER);
    const audit = rig.log.lines.filter(({ fields }) => fields['audit'] === true);
    expect(audit.map(({ level, fields }) => [level, fields['identity'], fields['method']])).to.deep.equal([
      ['warn', 'token:viewer', 'Apply'],
      ['warn', 'token:viewer', 'Backup'],
      ['warn', 'token:edge', 'Get'],
      ['info', 'token:ci', 'Apply'],
    ]);
  });

  it('writes down what a restore has brought, whatever came after it and became of the caller', async () => {
    await apply([object('Cluster', 'c', CLUSTER)]);
    const saved: Buffer[] = [];
    for await (const { data } of rig.stream<m.BackupResponse>('Backup', {})) saved.push(data);
    await apply([object('Cluster', 'd', CLUSTER)]);
    const requests = async function* () {
      for (const data of saved) yield await Promise.resolve({ data });
    };
    let revision = 0;
    await rig.close();
    rig = await startRig({
      store: new MemoryStore(rig.store.disk),
      restore: async (store, read) => {
        const restored = await restore(store, read);
        ({ revision } = restored);
        await store.transact([], [{ type: 'put', key: 'later', value: Buffer.from('x') }]);
        return restored;
      },
    });
    const audits = () => rig.log.lines.filter(({ fields }) => fields['method'] === 'Restore');
    const answer = await rig.call<m.RestoreResponse>('Restore', requests());
    expect(answer).to.deep.equal({ revision, objects: 1 });
    expect(rig.store.disk.revision).to.equal(revision + 1);
    expect(audits()[0]?.fields).to.include({ audit: true, identity: 'token:ci', revision, objects: 1 });
    expect((await refused(get('Cluster', 'd'))).code).to.equal(STATUS.NOT_FOUND);
    const gone = AbortSignal.abort();
    await (rig.stream('Restore', requests(), gone) as unknown as Promise<m.RestoreResponse>);
    expect(audits()).to.have.length(2);
    expect(audits()[1]?.fields).to.include({ revision, objects: 1 });
  });

  it('restores a backup of nothing over nothing at once, whatever else the store has changed', async () => {
    const saved: Buffer[] = [];
    for await (const { data } of rig.stream<m.BackupResponse>('Backup', {})) saved.push(data);
    await rig.store.transact([], [{ type: 'put', key: 'status/cp-9/beat', value: Buffer.from('{}') }]);
    const requests = async function* () {
      for (const data of saved) yield await Promise.resolve({ data });
    };
    const answer = await rig.call<m.RestoreResponse>('Restore', requests());
    expect(answer.objects).to.equal(0);
  }).timeout(5000);

  it('says what it means that the store failed', async () => {
    const failure = async (code: 'FULL' | 'UNAVAILABLE' | 'TOO_LARGE') => {
      rig.store.failure = new StoreError(code, 'why');
      return (await refused(apply([object('Cluster', 'c', CLUSTER)]))).code;
    };
    expect(await failure('FULL')).to.equal(STATUS.RESOURCE_EXHAUSTED);
    expect(await failure('TOO_LARGE')).to.equal(STATUS.RESOURCE_EXHAUSTED);
    expect(await failure('UNAVAILABLE')).to.equal(STATUS.UNAVAILABLE);
    rig.store.failure = undefined;
    // It may have been made: who wanted what is written down.
    const audit = rig.log.lines.filter(({ fields }) => fields['audit'] === true).map(({ fields }) => fields);
    expect(audit).to.have.length(3);
    expect(audit[2]).to.include({ identity: 'token:ci', method: 'Apply', objects: 1 });
    expect(audit[2]?.['reason']).to.contain('whether the change was made is not known');
    expect((await refused(apply([object('Cluster', 'bad', { color: 'red' })]))).code).to.equal(STATUS.INVALID_ARGUMENT);
    expect(rig.log.lines.filter(({ fields }) => fields['audit'] === true)).to.have.length(3);
    expect((await apply([object('Cluster', 'c', CLUSTER)])).version).to.equal(1);
  });

  it('bounds what a request may hold', async () => {
    const many = Array.from({ length: 10_001 }, (_, index) => object('Rule', `${index}`, {}));
    expect((await refused(apply(many))).message).to.contain('expected at most 10000 in one request, found 10001');
    const large = await refused(apply([object('Secret', 's', { cert: 'x'.repeat(600_000) })]));
    expect(large.message).to.contain('expected at most 524288 bytes');
    const faulty = Array.from({ length: 2000 }, (_, index) => object('Cluster', `bad-${index}`, { [`f${index}`]: 1 }));
    const error = await refused(apply(faulty));
    expect(error.message.length).to.be.lessThan(5000);
    expect(error.message).to.match(/and \d+ more$/u);
  });

  it('shows what is there, then every change, to those who watch', async () => {
    await apply([object('Cluster', 'c', CLUSTER)]);
    const events: [string, string | undefined][] = [];
    const over = new AbortController();
    const watching = (async () => {
      for await (const { type, object: shown } of rig.stream<m.WatchResponse>(
        'Watch',
        { kinds: ['Cluster'], status: true },
        over.signal,
      )) {
        events.push([type, shown?.key?.name]);
      }
    })();
    await until('the first objects', () => events.length === 2);
    await apply([object('Cluster', 'd', CLUSTER), object('Listener', 'l', UDP)]);
    await until('the change', () => events.length >= 3);
    const proxy = rig.proxy('edge-1');
    await until('the status', () => events.filter(([type]) => type === 'status').length >= 2);
    proxy.ack();
    await rig.call('Delete', {
      keys: [{ kind: 'Cluster', name: 'd' }],
      dry_run: false,
      message: '',
      ignore_missing: false,
    });
    await until('the deletion', () => events.some(([type]) => type === 'delete'));
    expect(events.slice(0, 3)).to.deep.equal([
      ['put', 'c'],
      ['synced', undefined],
      ['put', 'd'],
    ]);
    expect(events.find(([type]) => type === 'delete')).to.deep.equal(['delete', 'd']);
    over.abort();
    await watching;
  });

  it('does not wait for what is deleted meanwhile', async () => {
    const { revision } = await apply([object('Cluster', 'c', CLUSTER)]);
    rig.proxy('edge-1');
    const keys = [{ kind: 'Cluster', name: 'c' }];
    const looks: boolean[] = [];
    const waiting = (async () => {
      for await (const { done } of rig.stream<m.WaitAppliedResponse>('WaitApplied', {
        keys,
        condition: '',
        min_proxies: 1,
        revision,
      })) {
        looks.push(done);
      }
    })().then(
      () => 'done',
      (error: unknown) => String(error),
    );
    await until('the first look', () => looks.length === 1);
    await rig.call('Delete', { keys, dry_run: false, message: '', ignore_missing: false });
    expect(await waiting).to.contain('expected objects, found no Cluster/c');
  });

  it('tells how far proxies are, until all are there', async () => {
    const { revision } = await apply([object('Cluster', 'c', CLUSTER)]);
    await until('the views', () => rig.configuration.figures().revision >= revision);
    const [one, two] = [rig.proxy('edge-1'), rig.proxy('edge-2')];
    const request = { keys: [{ kind: 'Cluster', name: 'c' }], condition: '', min_proxies: 2, revision };
    const progress: [boolean, number, number][] = [];
    const waiting = (async () => {
      for await (const each of rig.stream<m.WaitAppliedResponse>('WaitApplied', request)) {
        progress.push([each.done, each.reached, each.selected]);
      }
    })();
    await until('the first look', () => progress.length === 1);
    one.ack();
    await until('one proxy', () => progress.length === 2);
    two.ack();
    await waiting;
    expect(progress).to.deep.equal([
      [false, 0, 2],
      [false, 1, 2],
      [true, 2, 2],
    ]);
  });
});
