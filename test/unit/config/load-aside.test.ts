import { expect } from 'chai';
import { setImmediate } from 'node:timers/promises';
import type { Fault } from '../../../common/errors.ts';
import { loadText } from '../../../config/load.ts';

// As it was built: threads are not given what runs the sources here.
const built = new URL('../../../dist/config/load-aside.js', import.meta.url).href;
const { loadAside } = (await import(built)) as typeof import('../../../config/load-aside.ts');

/** So many clusters that their text is a large one. */
function text(extra = ''): string {
  const clusters = Array.from({ length: 1000 }, (_, index) => `  - {name: c${index}, spec: {protocol: Echo}}\n`);
  return `clusters:\n${clusters.join('')}${extra}`;
}

async function faultsOf(loading: Promise<unknown>): Promise<readonly Fault[] | undefined> {
  const error = await loading.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return (error as { readonly faults?: readonly Fault[] } | undefined)?.faults;
}

describe('A large configuration', () => {
  it('is read while the caller goes on', async () => {
    let done = false;
    const loading = loadAside(text()).finally(() => (done = true));
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    expect(done).to.equal(false);
    await loading;
  });

  it('is what it is when it is read at once', async () => {
    expect(await loadAside(text())).to.deep.equal(await loadText(text()));
  });

  it('has the same faults, with their lines', async () => {
    const bad = text('  - {name: x, spec: {protocol: TCPP}}\n  - {name: c1, spec: {}}\n');
    const faults = await faultsOf(loadAside(bad));
    expect(faults).to.deep.equal(await faultsOf(loadText(bad)));
    expect(faults?.[0]?.line).to.equal(1002);
  });

  it('is no YAML at all where it is none', async () => {
    const bad = text('  - {\n');
    const faults = await faultsOf(loadAside(bad));
    expect(faults).to.deep.equal(await faultsOf(loadText(bad)));
    expect(faults?.[0]?.line).to.be.above(1000);
  });
});
