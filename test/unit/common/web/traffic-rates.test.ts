import { expect } from 'chai';
import { sumTraffic, trafficKey, TrafficRates } from '../../../../common/web/traffic-rates.ts';
import { trafficItem } from '../../../support/traffic.ts';

const report = (second: number, ...items: ReturnType<typeof trafficItem>[]) => ({
  time: new Date(second * 1000).toISOString(),
  items,
  omitted: 0,
  faults: [],
});

describe('rates of traffic', () => {
  it('are what passed from one report to the next, a second', () => {
    const rates = new TrafficRates();
    const item = trafficItem({ type: 'listener', listener: 'web', opened: 10, bytes_in: 1000 });
    const key = trafficKey(item);
    expect(rates.take(report(1, item)).get(key)?.rates, 'of the first').to.include({ opened: 0, bytes_in: 0 });
    const later = rates.take(report(3, { ...item, opened: 30, bytes_in: 5000, failed: 1 })).get(key);
    expect(later?.rates).to.include({ opened: 10, bytes_in: 2000, failed: 0.5, bytes_out: 0 });
    expect(later).to.include({ opened: 30, bytes_in: 5000 });
  });

  it('are none where sums begin anew, as of a proxy that was started again', () => {
    const rates = new TrafficRates();
    const item = trafficItem({ type: 'cluster', cluster: 'a', opened: 50, bytes_in: 10 });
    rates.take(report(1, item));
    const again = rates.take(report(2, { ...item, opened: 1, bytes_in: 20 })).get(trafficKey(item));
    expect(again?.rates).to.include({ opened: 0, bytes_in: 0 });
  });

  it('of several proxies are summed; of endpoints the worst health is told', () => {
    const [one, other] = [2, 3].map((opened) => {
      const rates = new TrafficRates();
      const health = opened === 2 ? 'healthy' : 'unhealthy';
      const item = trafficItem({ type: 'endpoint', cluster: 'a', endpoint: 'e', detail: health, active: 1 });
      rates.take(report(1, item));
      return rates.take(report(2, { ...item, opened }));
    });
    const [sum] = [...sumTraffic([one!, other!]).values()];
    expect(sum).to.include({ opened: 5, active: 2, detail: 'unhealthy' });
    expect(sum?.rates.opened).to.equal(5);
  });
});
