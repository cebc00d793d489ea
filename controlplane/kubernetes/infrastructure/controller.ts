/** Brings to the API server what each Gateway needs, and takes back what none needs any more. */
import { createHash } from 'node:crypto';
import type { Fault } from '../../../common/errors.ts';
import type { Logger } from '../../../common/log.ts';
import { codeOf, type ObjectName, type ResourceType } from '../api/addressing.ts';
import type { GatewayNeeds, GatewayOutcome } from '../api/gateway-needs.ts';
import type { KubeObject } from '../api/object.ts';
import { typeOf } from './kinds.ts';
import { type Manifest, renderGateway } from './render.ts';
import type { InfrastructureSettings } from './settings.ts';
import { isAvailable, isWorkload, keepReplicas } from './workloads.ts';

/** What it wants of the API server; errors have the HTTP status as `code`. */
export interface InfrastructureClient {
  get(type: ResourceType, name: ObjectName): Promise<KubeObject>;
  /** Server-side apply. */
  apply(type: ResourceType, object: KubeObject, options: { readonly force: boolean }): Promise<KubeObject>;
  delete(type: ResourceType, name: ObjectName, options: { readonly uid?: string | undefined }): Promise<void>;
}

export interface InfrastructureOptions {
  readonly client: InfrastructureClient;
  /** The field manager of the client. */
  readonly manager: string;
  readonly settings: InfrastructureSettings;
  /**
   * What the Gateway `NAMESPACE/NAME` needs; undefined where there is none, or it is not ours: what it had is deleted then, so nothing
   * is reconciled before all caches are filled.
   */
  readonly needs: (key: string) => GatewayNeeds | undefined;
  /** What there is of INFRASTRUCTURE_TYPES with our labels, and the Gateway's name in its label; from a cache. */
  readonly live: (key: string) => Iterable<KubeObject>;
  /** Asked right before each change. */
  readonly leads: () => boolean;
  readonly onOutcome: (key: string, outcome: GatewayOutcome) => void;
  readonly log: Logger;
}

/** What was applied of one Gateway, and how what there was looked before. */
interface Settled {
  readonly wanted: string;
  readonly seen: string;
}

export class Infrastructure {
  readonly #options: InfrastructureOptions;
  readonly #settled = new Map<string, Settled>();

  constructor(options: InfrastructureOptions) {
    this.#options = options;
  }

  /**
   * The work of a queue: to be called for a Gateway's key when its needs change, when an object of it does, and for all Gateways when
   * this replica begins to lead. Once all is as it should be, it asks nothing of the API server.
   *
   * @throws what the API server answers: to be called again later. The outcome says it, too.
   */
  async reconcile(key: string): Promise<void> {
    const { needs: needsOf, settings, leads, onOutcome } = this.#options;
    if (!leads()) return;
    const needs = needsOf(key);
    const { objects, faults } = needs ? renderGateway(needs, settings) : { objects: [], faults: [] };
    if (faults.length > 0) {
      onOutcome(key, { faults }); // what runs goes on as it is
      return;
    }
    // Of another Gateway of that name, which is gone: the API server's garbage.
    const live = [...this.#options.live(key)].filter((each) => needs === undefined || isOf(each, needs));
    try {
      await this.#apply(key, objects, live);
      await this.#prune(objects, live);
    } catch (error) {
      this.#settled.delete(key);
      onOutcome(key, { faults: [error instanceof Refusal ? error.fault : faultOf(error)] });
      throw error;
    }
    onOutcome(key, { faults: [] });
    if (needs === undefined) this.#settled.delete(key);
  }

  async #apply(key: string, objects: readonly Manifest[], live: readonly KubeObject[]): Promise<void> {
    const { client, leads } = this.#options;
    const now: Settled = { wanted: digest(objects), seen: digest(live.map(withoutStatus)) };
    const before = this.#settled.get(key);
    if (before?.wanted === now.wanted && before.seen === now.seen) return;
    for (const object of objects) {
      const wanted = await this.#prepare(object, live);
      if (!leads()) return;
      await client.apply(typeOf(object.kind), wanted, { force: true });
    }
    this.#settled.set(key, now);
  }

  /** As it is to be applied over what there is. @throws Refusal where that is somebody else's */
  async #prepare(object: Manifest, live: readonly KubeObject[]): Promise<Manifest> {
    const known = live.some((each) => isSame(each, object));
    const scaled = object.kind === 'Deployment' && !('replicas' in (object.spec as object));
    if (known && !scaled) return object;
    const found = await this.#find(object);
    if (found && found.metadata.ownerReferences?.some(({ uid }) => uid === ownerOf(object)) !== true) {
      const what = `${object.kind} ${object.metadata.namespace ?? ''}/${object.metadata.name}`;
      const expected = 'none, or one that was made for this Gateway';
      throw new Refusal({ path: what, expected, found: "one that is somebody else's" });
    }
    return keepReplicas(object, found, this.#options.manager);
  }

  async #find({ kind, metadata: { namespace = '', name } }: KubeObject): Promise<KubeObject | undefined> {
    try {
      return await this.#options.client.get(typeOf(kind), { namespace, name });
    } catch (error) {
      if (codeOf(error) === 404) return undefined;
      throw error;
    }
  }

  /** Old pods stay until new ones of another kind serve. */
  async #prune(objects: readonly Manifest[], live: readonly KubeObject[]): Promise<void> {
    const { client, leads, log } = this.#options;
    const stale = live.filter((each) => !objects.some((object) => isSame(each, object)));
    const successor = objects.find(isWorkload);
    const running = successor && live.find((each) => isSame(each, successor));
    const replaced = successor === undefined || (running !== undefined && isAvailable(running));
    for (const { kind, metadata } of stale.filter((each) => replaced || !isWorkload(each))) {
      if (!leads()) return;
      const { namespace = '', name, uid } = metadata;
      try {
        await client.delete(typeOf(kind), { namespace, name }, { uid });
      } catch (error) {
        if (codeOf(error) !== 404 && codeOf(error) !== 409) throw error; // it is gone, or another one by now
      }
      log.info({ kind, namespace, name }, 'what a gateway needs no more was deleted');
    }
  }
}

/** It can't be applied whatever the API server says. */
class Refusal extends Error {
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(`${fault.path}: expected ${fault.expected}, found ${fault.found}`);
    this.fault = fault;
  }
}

function faultOf(error: unknown): Fault {
  return {
    path: 'infrastructure',
    expected: 'that the API server takes it',
    found: error instanceof Error ? error.message : String(error),
  };
}

function ownerOf({ metadata }: KubeObject): string | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller)?.uid;
}

function isOf(object: KubeObject, { gateway }: GatewayNeeds): boolean {
  return object.metadata.ownerReferences?.some(({ uid }) => uid === gateway.uid) === true;
}

function isSame(a: KubeObject, b: KubeObject): boolean {
  return a.kind === b.kind && a.metadata.name === b.metadata.name;
}

/** What others may have changed of it, without what changes by itself. */
function withoutStatus({ metadata, status: _status, ...content }: KubeObject): object {
  const { name, uid, labels, annotations, ownerReferences, deletionTimestamp } = metadata;
  return { ...content, metadata: { name, uid, labels, annotations, ownerReferences, deletionTimestamp } };
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64');
}
