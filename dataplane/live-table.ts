/** The live configuration by name, as sessions look it up. */
import type { Route, Rule, RuleList } from '../gen/l7mp/config/v1/types.ts';
import type { Cluster } from './cluster/cluster.ts';
import type { RoutingTable } from './pipeline/routing.ts';
import type { Live } from './runtime/reconciler.ts';

export class LiveTable implements RoutingTable {
  readonly live: Live<Cluster>;

  constructor(live: Live<Cluster>) {
    this.live = live;
  }

  rulelist(name: string): RuleList | undefined {
    return this.live.snapshot.rulelists.get(name)?.value;
  }

  rule(name: string): Rule | undefined {
    return this.live.snapshot.rules.get(name)?.value;
  }

  route(name: string): Route | undefined {
    return this.live.snapshot.routes.get(name)?.value;
  }

  cluster(name: string): Cluster | undefined {
    return this.live.clusters.get(name);
  }
}
