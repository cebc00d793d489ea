import { expect } from 'chai';
import { eventsOf, type Frame, type Listing, MAX_ITEMS } from '../../../../common/web/events.ts';

/** What an event says, by its name. */
function parse(text: string): Record<string, unknown> {
  const events = text.split('\n\n').filter((each) => each !== '');
  return Object.fromEntries(
    events.map((event) => {
      const [name = '', data = ''] = event.split('\n');
      return [name.replace('event: ', ''), JSON.parse(data.replace('data: ', '')) as unknown];
    }),
  );
}

describe('events of lists', () => {
  const stop = new AbortController();
  const list = new Map<string, object>();
  let looks = 0;
  let fails = false;
  const read = (): Listing => {
    looks++;
    if (fails) throw new Error('it is gone');
    return { items: [...list] };
  };
  const start = (signal = stop.signal, more: readonly [string, () => Listing][] = []) =>
    eventsOf(new Map([['list', read], ...more]), { intervalMs: 1, signal });
  const next = async (events: AsyncGenerator<string>): Promise<Record<string, unknown>> =>
    parse((await events.next()).value as string);

  beforeEach(() => {
    list.clear();
    list.set('a', { n: 1 }).set('b', { n: 2 });
    fails = false;
    looks = 0;
  });

  it('give all at first, and then what is new, another or gone', async () => {
    const events = start();
    expect(await next(events)).to.deep.equal({
      list: {
        put: [
          ['a', { n: 1 }],
          ['b', { n: 2 }],
        ],
        gone: [],
        omitted: 0,
        first: true,
      },
    });
    list.set('a', { n: 3 }).set('c', { text: 'two\n\nlines' });
    list.delete('b');
    expect(await next(events)).to.deep.equal({
      list: {
        put: [
          ['a', { n: 3 }],
          ['c', { text: 'two\n\nlines' }],
        ],
        gone: ['b'],
        omitted: 0,
        first: false,
      },
    });
    await events.return(undefined);
  });

  it('say nothing where nothing changed, and look no more often than they are taken', async () => {
    const events = start();
    await next(events);
    const before = looks;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(looks, 'nobody takes anything').to.equal(before);
    const pending = events.next();
    while (looks < before + 5) await new Promise((resolve) => setImmediate(resolve));
    list.set('d', {});
    expect(parse((await pending).value as string)).to.have.nested.property('list.put.length', 1);
    await events.return(undefined);
  });

  it('of a topic that fails tell so once, and go on with the others', async () => {
    const other = new Map<string, object>();
    const events = start(stop.signal, [['other', () => ({ items: [...other] })]]);
    await next(events);
    fails = true;
    expect(await next(events)).to.deep.equal({ failure: { topic: 'list', message: 'it is gone' } });
    other.set('x', {});
    expect(await next(events)).to.have.all.keys('other');
    await events.return(undefined);
  });

  it('are bounded, and say how much is left out', async () => {
    for (let index = 0; index < MAX_ITEMS + 7; index++) list.set(`${index}`, {});
    const events = start();
    const { put, omitted } = (await next(events))['list'] as Frame;
    expect([put.length, omitted]).to.deep.equal([MAX_ITEMS, 9]);
    await events.return(undefined);
  });

  it('end when nobody is there any more', async () => {
    const gone = new AbortController();
    const events = start(gone.signal);
    await next(events);
    const pending = events.next();
    gone.abort();
    expect(await pending).to.deep.equal({ value: undefined, done: true });
  });
});
