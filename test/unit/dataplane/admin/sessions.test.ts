import { expect } from 'chai';
import { createTestApi, fakeSession, type TestApi } from '../../../support/admin.ts';

const counted = (bytes: number) => ({
  ingress: { bytes, packets: 1, dropped: 0 },
  egress: { bytes: 0, packets: 0, dropped: 0 },
});

describe('GET /api/v1/sessions', () => {
  let api: TestApi;

  beforeEach(() => {
    api = createTestApi();
    const add = (id: number, listener: string, more: object): void => {
      const name = 'abcde'[5 - id] ?? '';
      api.sessions.set(name, fakeSession({ id, name, listener, ...more }));
    };
    // Not in the order of anything.
    add(3, 'in', { rate: 7, counters: counted(1), startedAt: 50, elapsed: 50 });
    add(1, 'in', { rate: 1, counters: counted(9), startedAt: 10, elapsed: 90 });
    add(5, 'other', { rate: 3, counters: counted(5), startedAt: 30, elapsed: 70 });
    add(2, 'other', { rate: 9, counters: counted(3), startedAt: 20, elapsed: 1, status: 'DESTROYED', endedAt: 21 });
    add(4, 'in', { rate: 5, counters: counted(7), startedAt: 40, elapsed: 60 });
  });

  async function ids(query: string): Promise<readonly number[]> {
    const { status, list, text } = await api.get(`/api/v1/sessions${query}`);
    expect(status, text).to.equal(200);
    return (list as unknown as { id: number }[]).map(({ id }) => id);
  }

  const asked: Record<string, readonly number[]> = {
    '': [3, 1, 5, 2, 4],
    '?listener=in': [3, 1, 4],
    '?listener=nobody': [],
    '?status=destroyed': [2],
    '?status=CONNECTED&listener=other': [5],
    '?limit=2': [1, 2],
    '?limit=2&after=2': [3, 4],
    '?limit=2&after=4': [5],
    '?after=3': [4, 5],
    '?after=99': [],
    '?sort=name': [5, 4, 3, 2, 1],
    '?sort=rate&limit=2': [2, 3],
    '?sort=bytes&limit=3': [1, 4, 5],
    '?sort=age': [1, 5, 4, 3, 2],
    '?sort=id&limit=1000': [1, 2, 3, 4, 5],
  };
  for (const [query, expected] of Object.entries(asked)) {
    it(`lists ${expected.join(', ') || 'nobody'} for "${query}"`, async () => {
      expect(await ids(query)).to.deep.equal(expected);
    });
  }

  it('leads through all pages, to the end', async () => {
    const seen: number[] = [];
    let query: string | undefined = '?limit=2&listener=in';
    while (query !== undefined) {
      seen.push(...(await ids(query)));
      const { headers } = await api.get(`/api/v1/sessions${query}`);
      expect(headers['x-total-count']).to.equal(seen.length === 2 ? '3' : '2');
      query = /^<\/api\/v1\/sessions(\?.*)>; rel="next"$/u.exec(headers['link'] ?? '')?.[1];
      if (seen.length === 2) api.sessions.delete('e'); // what went between two pages moves nobody
    }
    expect(seen).to.deep.equal([1, 3, 4]);
  });

  const refused: Record<string, string> = {
    '?limit=0': 'expected limit from 1 to 1000, found 0',
    '?limit=1001': 'expected limit from 1 to 1000, found 1001',
    '?limit=x': 'expected limit from 1 to 1000, found x',
    '?after=-1': 'expected after from 0 to 9007199254740991, found -1',
    '?status=GONE': 'expected status=INIT, CONNECTED, DISCONNECTED, FINALIZING, DESTROYED, found GONE',
    '?sort=size': 'expected sort=id, name, rate, packets, bytes, age, found size',
    '?sort=rate&after=1': 'expected after with sort=id, found sort=rate',
  };
  for (const [query, content] of Object.entries(refused)) {
    it(`refuses ${query}`, async () => {
      expect((await api.get(`/api/v1/sessions${query}`)).body).to.deep.include({ status: 400, content });
    });
  }
});
