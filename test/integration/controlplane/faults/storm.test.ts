/** All proxies of a large fleet connect again at once: afterwards every one holds what was acknowledged last. */
import { join } from 'node:path';
import { expect } from 'chai';
import { typeUrlOf } from '../../../../config/wire-kinds.ts';
import { configService, type GivenObject } from '../../../support/config-service.ts';
import { ControlPlaneProcess } from '../../../support/control-plane-process.ts';
import { faultMs } from '../../../support/fault-time.ts';
import { closers } from '../../../support/grpc.ts';
import { JsonProcess } from '../../../support/json-process.ts';
import { until } from '../../../support/until.ts';

const LONG = faultMs(0) > 0;
const PROXIES = LONG ? 2000 : 300;
const OBJECTS = LONG ? 1000 : 100;
const LIMIT = LONG ? 120_000 : 30_000;

interface Seen {
  readonly reconnects: number;
}

/** An object that is one resource: the fleet asks for no endpoints. */
const echo = (name: string): GivenObject => ({ kind: 'Cluster', name, spec: { spec: 'echo:' } });

/** With what an encoded cluster of this name begins: its first field, the name. */
const markerOf = (name: string): string => `\n${String.fromCharCode(name.length)}${name}`;

describe(`a control plane with ${PROXIES} proxies (grpc-go)`, function () {
  this.timeout(2 * LIMIT + 60_000);
  const cleanup = closers();
  afterEach(() => cleanup.run());

  it('is killed, and all of them hear of what changes then', async () => {
    const plane = await ControlPlaneProcess.start();
    cleanup.add(() => plane.stop());
    const service = configService(plane.address, cleanup);
    await service.apply(...Array.from({ length: OBJECTS }, (_, index) => echo(`c-${index}`)));

    const counts = ['-streams', String(PROXIES), '-resources', String(OBJECTS)];
    const where = ['-address', plane.address, '-type-url', typeUrlOf('Cluster')];
    const fleet = new JsonProcess([join('.cache', 'gobin', 'xds-load'), ...where, ...counts]);
    cleanup.add(() => fleet.stop());
    await fleet.next('first-state', LIMIT);

    // Twice: once it is gone when the proxies come back, once it changes while they come.
    for (const name of ['after-one', 'after-two']) {
      await fleet.ask({ op: 'expect', marker: markerOf(name) }, 'expecting');
      await plane.restart();
      await service.apply(echo(name));
      const { reconnects } = await fleet.next<Seen>('seen', LIMIT);
      expect(reconnects).to.be.at.least(PROXIES);
    }
    await until('all acknowledgements', async () => {
      const { selected, acked } = (await service.status('Cluster', 'after-two')) ?? {};
      return selected === PROXIES && acked === PROXIES;
    });
  });
});
