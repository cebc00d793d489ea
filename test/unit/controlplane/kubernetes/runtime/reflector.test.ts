import { expect } from 'chai';
import type { KubeObject } from '../../../../../controlplane/kubernetes/api/object.ts';
import { Reflector, type ReflectorOptions } from '../../../../../controlplane/kubernetes/runtime/reflector.ts';
import type { ResourceType } from '../../../../../controlplane/kubernetes/api/addressing.ts';
import { Table } from '../../../../../controlplane/kubernetes/runtime/table.ts';
import {
  bookmark,
  FaultyServer,
  line,
  page,
  refuse,
  service,
  status,
  stream,
} from '../../../../support/kube-faults.ts';
import { silentLogger } from '../../../../support/doubles.ts';
import { until } from '../../../../support/until.ts';

const SERVICE: ResourceType = { group: '', version: 'v1', kind: 'Service', plural: 'services', namespaced: true };

describe('controlplane/kubernetes/runtime/reflector', () => {
  let server: FaultyServer;
  let table: Table;
  let changes: string[];
  let reflector: Reflector | undefined;

  beforeEach(async () => {
    server = await FaultyServer.start();
    changes = [];
    table = new Table({}, (key) => changes.push(key));
  });

  afterEach(async () => {
    await reflector?.close();
    await server.stop();
  });

  const start = (options: Partial<ReflectorOptions> = {}): Reflector => {
    const timing = { firstRetryMs: 10, lastRetryMs: 50, ...options.timing };
    reflector = new Reflector({ client: server.client, type: SERVICE, table, log: silentLogger, ...options, timing });
    return reflector;
  };
  const held = (): string[] =>
    Array.from(table.values(), ({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`).sort();
  const holds = (...names: string[]): Promise<true | undefined> =>
    until(`to hold ${names.join()}, not ${held().join()}`, () => held().join() === names.join() || undefined);
  const ask = (index: number): Record<string, string> => Object.fromEntries(server.asked[index]!.query);

  it('takes all by a streaming list, and goes on with the same watch', async () => {
    const watch = stream(line('ADDED', service('a', 3)), line('ADDED', service('b', 2)), bookmark(5, true));
    server.answer(watch);
    const { synced, counters } = start({ labelSelector: 'x=y', namespace: 'default' });
    await synced;
    expect(held()).to.deep.equal(['a@3', 'b@2']);
    watch.response!.write(line('DELETED', service('a', 6)) + line('MODIFIED', service('b', 7)));
    await holds('b@7');
    expect(server.asked).to.have.length(1);
    const { path, query, headers } = server.asked[0]!;
    expect(path).to.equal('/api/v1/namespaces/default/services');
    expect(headers['authorization']).to.equal('Bearer secret');
    expect(query.get('sendInitialEvents')).to.equal('true');
    expect(query.get('resourceVersionMatch')).to.equal('NotOlderThan');
    expect(query.get('allowWatchBookmarks')).to.equal('true');
    expect(query.get('labelSelector')).to.equal('x=y');
    expect(Number(query.get('timeoutSeconds'))).to.be.within(300, 600);
    expect(counters).to.deep.include({ lists: 1, watches: 1, errors: 0 });
  });

  it('takes nothing of a streaming list that was cut, and begins it anew', async () => {
    const cut = stream(line('ADDED', service('old', 1)));
    server.answer(cut, stream(line('ADDED', service('a', 3)), bookmark(5, true)));
    const { synced } = start();
    await until('a stream', () => cut.response);
    server.cut();
    await synced;
    expect(held()).to.deep.equal(['a@3']);
    expect(changes).to.deep.equal(['default/a']);
  });

  it('lists by pages where the server has no streaming lists, and remembers that', async () => {
    server.answer(
      refuse(422, 'Invalid'),
      page([service('a', 3)], 9, 'more'),
      page([service('b', 4)], 9),
      stream(line('ADDED', service('c', 10))),
    );
    const { counters } = start({ timing: { pageSize: 1 } });
    await holds('a@3', 'b@4', 'c@10');
    expect(table.get('default/a')).to.deep.include({ kind: 'Service', apiVersion: 'v1' });
    expect(ask(1)).to.deep.equal({ limit: '1' });
    expect(ask(2)).to.deep.equal({ limit: '1', continue: 'more' });
    expect(ask(3)).to.include({ watch: '1', resourceVersion: '9' });
    expect(ask(3)).not.to.have.any.keys('sendInitialEvents', 'resourceVersionMatch');
    expect(counters).to.include({ lists: 1, errors: 0 });
  });

  it('makes a list whose pages got too old in one go', async () => {
    server.answer(
      refuse(400, 'BadRequest'),
      page([service('a', 3)], 9, 'more'),
      refuse(410, 'Expired'),
      page([service('b', 10)], 12),
      stream(),
    );
    start();
    await holds('b@10');
    expect(ask(3)).to.deep.equal({});
  });

  for (const [what, end] of [
    ['ended in order', (watch: ReturnType<typeof stream>) => watch.response!.end()],
    ['cut in mid-line', (watch: ReturnType<typeof stream>) => watch.response!.write('{"type":"MODIF')],
  ] as const) {
    it(`resumes a watch that was ${what} without a list`, async () => {
      const first = stream(line('ADDED', service('a', 3)), bookmark(5, true), bookmark(8));
      server.answer(first, stream(line('ADDED', service('b', 9))));
      const { synced, counters } = start();
      await synced;
      await until('a bookmark', () => counters.bookmarks === 1);
      end(first);
      if (what !== 'ended in order') server.cut();
      await holds('a@3', 'b@9');
      expect(ask(1)['resourceVersion']).to.equal('8');
      expect(counters.lists).to.equal(1);
    });
  }

  for (const [what, answers] of [
    ['as an event', [stream(line('ERROR', status(410, 'Expired')))]],
    ['as an answer', [refuse(410, 'Gone')]],
  ] as const) {
    it(`lists again when its version is too old, told ${what}, and removes what has gone`, async () => {
      const first = stream(line('ADDED', service('a', 3)), line('ADDED', service('b', 4)), bookmark(5, true));
      server.answer(
        first,
        ...answers,
        stream(line('ADDED', service('b', 4)), line('ADDED', service('c', 9)), bookmark(9, true)),
      );
      await start().synced;
      changes.length = 0;
      first.response!.end();
      await holds('b@4', 'c@9');
      expect(changes.sort()).to.deep.equal(['default/a', 'default/c']);
      expect(ask(1)['resourceVersion']).to.equal('5');
      expect(ask(2)['sendInitialEvents']).to.equal('true');
    });
  }

  it('does not list in a hurry where each list is too old at once', async () => {
    server.answer(stream(bookmark(5, true), line('ERROR', status(410, 'Expired'))));
    start({ timing: { firstRetryMs: 100, lastRetryMs: 10_000 } });
    await until('some lists', () => server.asked.length === 4);
    const [, second, , fourth] = server.asked;
    expect(fourth!.at - second!.at).to.be.above(50 + 100 - 1);
  });

  it('is not harmed by events that come twice, late, or in another order', async () => {
    const watch = stream(line('ADDED', service('a', 3)), line('ADDED', service('b', 4)), bookmark(5, true));
    server.answer(watch);
    await start().synced;
    changes.length = 0;
    watch.response!.write(
      [
        line('MODIFIED', { ...service('a', 7), spec: {} }),
        line('MODIFIED', { ...service('a', 7), spec: {} }),
        line('MODIFIED', service('a', 6)),
        line('DELETED', service('a', 5)),
        line('DELETED', service('b', 9)),
        line('MODIFIED', service('b', 8)),
        line('ADDED', service('c', 100)),
        line('MODIFIED', service('c', 99)),
      ].join(''),
    );
    await holds('a@7', 'c@100');
    watch.response!.write(line('ADDED', service('b', 101)));
    await holds('a@7', 'b@101', 'c@100');
    expect(changes).to.deep.equal(['default/a', 'default/b', 'default/c', 'default/b']);
  });

  it('leaves a watch that is half-open once it misses bookmarks', async () => {
    server.answer(stream(bookmark(5, true)), stream(line('ADDED', service('a', 9))));
    const { counters } = start({ timing: { silenceMs: 100 } });
    await holds('a@9');
    expect(ask(1)['resourceVersion']).to.equal('5');
    expect(counters.lists).to.equal(1);
  });

  it('waits as long as a server asks it to, tells what is wrong, and gets over it', async () => {
    server.answer(refuse(429, 'TooManyRequests', { 'retry-after': '1' }), stream(bookmark(5, true)));
    const { synced } = start({ timing: { lastRetryMs: 5000 } });
    await until('a fault', () => reflector!.state === 'failing');
    expect(reflector!.fault).to.contain('TooManyRequests');
    await synced;
    expect(server.asked[1]!.at - server.asked[0]!.at).to.be.above(999);
    expect(reflector).to.include({ state: 'watching', fault: undefined });
  });

  it('waits longer with each failure', async () => {
    server.answer(refuse(403, 'Forbidden'));
    const { counters } = start({ timing: { firstRetryMs: 20, lastRetryMs: 80 } });
    await until('failures', () => server.asked.length === 6);
    const times = server.asked.map(({ at }) => at);
    expect(times[5]! - times[3]!).to.be.above(79);
    expect(counters).to.include({ lists: 0 });
  });

  it('refuses lines that are too long, or are no events, and goes on', async () => {
    const long = JSON.stringify({ type: 'ADDED', object: { filler: 'x'.repeat(17 * 1024 * 1024) } });
    server.answer(stream(long), stream('nonsense\n'), stream('{"type":"WHAT"}\n'), stream(bookmark(5, true)));
    const { synced, counters } = start();
    await synced;
    expect(counters.errors).to.equal(3);
  });

  it('keeps no managed fields, nothing that kubectl remembers, and what the kind leaves', async () => {
    const full = service('a', 3) as KubeObject & { metadata: Record<string, unknown> };
    Object.assign(full.metadata, {
      managedFields: [{ manager: 'kubectl' }],
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', mine: 'yes' },
    });
    server.answer(stream(line('ADDED', { ...full, spec: { big: 'x' } }), bookmark(5, true)));
    const trim = ({ spec: _spec, ...rest }: KubeObject): KubeObject => rest;
    await start({ trim }).synced;
    const kept = table.get('default/a')!;
    expect(kept).not.to.have.property('spec');
    expect(kept.metadata).not.to.have.property('managedFields');
    expect(kept.metadata.annotations).to.deep.equal({ mine: 'yes' });
  });

  it('ends in the middle of whatever it does', async () => {
    server.answer(() => {});
    start();
    await until('a request', () => server.asked.length === 1);
    await reflector!.close();
    expect(reflector!.state).to.equal('closed');
  });
});
