/** Has what each Gateway needs made: the queue and the cache around `infrastructure`. */
import { isDeepStrictEqual } from 'node:util';
import { formatFault } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { WorkFigures } from '../core/kubernetes-figures.ts';
import type { GatewayNeeds, GatewayOutcome } from './api/gateway-needs.ts';
import { GATEWAY_NAME_LABEL, MANAGED_BY, MANAGED_BY_LABEL } from './api/names.ts';
import type { KubeObject } from './api/object.ts';
import { Infrastructure } from './infrastructure/controller.ts';
import { INFRASTRUCTURE_TYPES } from './infrastructure/kinds.ts';
import { troublesOf } from './infrastructure/troubles.ts';
import type { InfrastructureSettings } from './infrastructure/settings.ts';
import {
  type Changes,
  FIELD_MANAGER,
  type Indexer,
  type KindName,
  type KubeClient,
  WorkQueue,
} from './runtime/index.ts';

export interface InfrastructureFeedOptions {
  readonly client: KubeClient;
  readonly reader: Indexer;
  readonly settings: InfrastructureSettings;
  readonly leads: () => boolean;
  /** `faultOf` has changed for some Gateway. */
  readonly onFault: () => void;
  readonly log: Logger;
}

const KINDS = INFRASTRUCTURE_TYPES.map(({ kind }) => kind as KindName);
/** The index of what was made, by its Gateway, `NAMESPACE/NAME`. */
const BY_GATEWAY = 'gateway';

export class InfrastructureFeed {
  readonly #reader: Indexer;
  readonly #queue: WorkQueue;
  readonly #log: Logger;
  readonly #onFault: () => void;
  #needs: ReadonlyMap<string, GatewayNeeds> = new Map();
  /** What was said last of each that could not be made. */
  readonly #faults = new Map<string, string>();
  /** Of what has gone it is not known any more. */
  readonly #gatewayOf = new Map<string, string>();

  constructor({ client, reader, settings, leads, onFault, log }: InfrastructureFeedOptions) {
    this.#onFault = onFault;
    this.#reader = reader;
    this.#log = log;
    const infrastructure = new Infrastructure({
      client,
      manager: FIELD_MANAGER,
      settings,
      needs: (key) => this.#needs.get(key),
      live: (key) => this.#live(key),
      leads,
      onOutcome: (key, outcome) => this.#tell(key, outcome),
      log,
    });
    this.#queue = new WorkQueue({ work: (key) => infrastructure.reconcile(key), concurrency: 4 });
  }

  get figures(): WorkFigures {
    return this.#queue;
  }

  /** Why what the Gateway `NAMESPACE/NAME` needs could not be made. */
  faultOf(gateway: string): string | undefined {
    return this.#faults.get(gateway);
  }

  /** Why pods of the Gateway `NAMESPACE/NAME` don't come or don't start. */
  troublesOf(gateway: string): string | undefined {
    const workloads = this.#reader.by('Deployment', BY_GATEWAY, gateway);
    return troublesOf(workloads, this.#reader.by('Pod', BY_GATEWAY, gateway));
  }

  /** What all Gateways need from now on. */
  set(needs: readonly GatewayNeeds[]): void {
    const before = this.#needs;
    this.#needs = new Map(needs.map((each) => [`${each.gateway.namespace}/${each.gateway.name}`, each]));
    // Translations are many, and few of them change what a Gateway needs.
    for (const key of new Set([...before.keys(), ...this.#needs.keys()])) {
      if (!isDeepStrictEqual(before.get(key), this.#needs.get(key))) this.#queue.add(key);
    }
  }

  /** Others may have changed what was made. */
  changed(changes: Changes): void {
    for (const kind of KINDS) {
      for (const key of changes.get(kind) ?? []) {
        const known = this.#gatewayOf.get(`${kind}/${key}`);
        const [namespace = '', name = ''] = key.split('/');
        const object = this.#reader.get(kind, namespace, name) as KubeObject | undefined;
        const gateway = object && gatewayOf(object);
        if (gateway === undefined) this.#gatewayOf.delete(`${kind}/${key}`);
        else this.#gatewayOf.set(`${kind}/${key}`, gateway);
        for (const each of new Set([known, gateway])) if (each !== undefined) this.#queue.add(each);
      }
    }
  }

  /** Looks at all of them: when this replica begins to lead. */
  refresh(): void {
    for (const kind of KINDS) {
      for (const object of this.#reader.list(kind) as Iterable<KubeObject>) {
        const { namespace = '', name } = object.metadata;
        const gateway = gatewayOf(object);
        if (gateway !== undefined) this.#gatewayOf.set(`${kind}/${namespace}/${name}`, gateway);
      }
    }
    for (const key of new Set([...this.#needs.keys(), ...this.#gatewayOf.values()])) this.#queue.add(key);
  }

  /** Resolves once nothing waits to be made. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  async close(): Promise<void> {
    await this.#queue.close();
  }

  *#live(key: string): Iterable<KubeObject> {
    for (const kind of KINDS) yield* this.#reader.by(kind, BY_GATEWAY, key) as Iterable<KubeObject>;
  }

  #tell(key: string, { faults }: GatewayOutcome): void {
    const text = faults.map(formatFault).join('; ');
    if ((this.#faults.get(key) ?? '') === text) return;
    if (text === '') this.#faults.delete(key);
    else {
      this.#faults.set(key, text);
      this.#log.error({ gateway: key, faults: text }, 'what a gateway needs could not be made: what was there stays');
    }
    this.#onFault();
  }
}

/** `NAMESPACE/NAME` of the Gateway that something was made for; undefined where it was made by somebody else. */
function gatewayOf({ metadata }: Pick<KubeObject, 'metadata'>): string | undefined {
  const { labels = {}, namespace = '' } = metadata;
  const name = labels[GATEWAY_NAME_LABEL];
  return labels[MANAGED_BY_LABEL] === MANAGED_BY && name !== undefined ? `${namespace}/${name}` : undefined;
}

/** For the cache: all kinds that are made, and pods, by Gateway. */
export const GATEWAY_INDEXES = Object.fromEntries(
  [...KINDS, 'Pod' as const].map((kind) => [
    kind,
    { [BY_GATEWAY]: (object: KubeObject) => [gatewayOf(object) ?? []].flat() },
  ]),
);
