/** A control plane's configuration without servers: calls go to the handlers, proxies are what a test says they are. */
import type { ObjectContent } from '../../controlplane/model/object.ts';
import type { Object as Shown } from '../../gen/messages.ts';
import type { Logger, LogFields } from '../../common/log.ts';
import {
  type Configuration,
  type ConfigurationOptions,
  createConfiguration,
} from '../../controlplane/configuration.ts';
import type { View } from '../../controlplane/core/catalog.ts';
import type { Identity } from '../../controlplane/core/identity.ts';
import type { NodeFacts, Resource, ResourceDelta } from '../../controlplane/core/resource.ts';
import type { Call } from '../../controlplane/core/rpc.ts';
import { backup, restore } from '../../controlplane/store/backup.ts';
import { MemoryStore } from './memory-store.ts';

/** A view that remembers what was done to it. */
export class RecordingView implements View {
  readonly deltas: ResourceDelta[] = [];
  private readonly types = new Map<string, Map<string, Resource>>();

  resources(typeUrl: string): ReadonlyMap<string, Resource> {
    return this.types.get(typeUrl) ?? new Map();
  }

  apply(delta: ResourceDelta): void {
    this.deltas.push(delta);
    for (const { typeUrl, name } of delta.remove) this.types.get(typeUrl)?.delete(name);
    for (const resource of delta.upsert) {
      const type = this.types.get(resource.typeUrl) ?? new Map<string, Resource>();
      this.types.set(resource.typeUrl, type.set(resource.name, resource));
    }
  }

  /** `Listener/web` and so on, sorted. */
  names(): string[] {
    const names = [...this.types].flatMap(([typeUrl, all]) =>
      [...all.keys()].map((name) => `${typeUrl.slice(typeUrl.lastIndexOf('.') + 1)}/${name}`),
    );
    return names.sort();
  }

  all(): Resource[] {
    return [...this.types.values()].flatMap((type) => [...type.values()]);
  }
}

/** A view as the rig makes them. */
export function recorded(view: View | undefined): RecordingView {
  if (!(view instanceof RecordingView)) throw new TypeError('expected a view that records');
  return view;
}

export interface LogLine {
  readonly level: string;
  readonly fields: LogFields;
  readonly message: string;
}

export function recordingLog(): Logger & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: string) => (fields: LogFields, message: string) => void lines.push({ level, fields, message });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export const ADMIN: Identity = { name: 'token:ci', admin: true, reader: true, nodes: ['*'] };
export const READER: Identity = { name: 'token:viewer', admin: false, reader: true, nodes: [] };
export const NOBODY: Identity = { name: 'token:edge', admin: false, reader: false, nodes: ['edge-*'] };

export function nodeFacts(id: string, labels: Readonly<Record<string, string>> = {}): NodeFacts {
  const node = { id, cluster: '', user_agent_name: 'l7mp', user_agent_version: '1', client_features: [] };
  return { id, labels, node, peer: '127.0.0.1:40000', variant: 'delta' };
}

/** An object of the API as clients send it. */
export function object(kind: string, name: string, spec: object, more: Partial<Shown> = {}): Shown {
  const rest = { labels: {}, version: '', revision: 0, source: '' };
  return { key: { kind, name }, spec: spec as NonNullable<ObjectContent['spec']>, ...rest, ...more };
}

/** A proxy that takes everything, unless it is told to refuse, and lets go what it is not sent any more. */
export class FakeProxy {
  view: RecordingView;
  /** What it took of each type. */
  private held = new Map<string, ReadonlyMap<string, string>>();
  readonly facts: NodeFacts;
  private readonly configuration: Configuration;

  constructor(
    configuration: Configuration,
    id: string,
    labels: Readonly<Record<string, string>> = {},
    features: readonly string[] = [],
  ) {
    this.configuration = configuration;
    const facts = nodeFacts(id, labels);
    this.facts = { ...facts, node: { ...facts.node, client_features: [...features] } };
    this.view = recorded(configuration.catalog.attach(this.facts));
    configuration.catalog.observe({ type: 'connected', node: this.facts });
  }

  ack(): void {
    const types = new Map<string, Map<string, string>>();
    for (const { typeUrl, name, version } of this.view.all()) {
      types.set(typeUrl, (types.get(typeUrl) ?? new Map<string, string>()).set(name, version));
    }
    for (const typeUrl of new Set([...types.keys(), ...this.held.keys()])) {
      const versions = types.get(typeUrl) ?? new Map<string, string>();
      const removed = [...(this.held.get(typeUrl)?.keys() ?? [])].filter((name) => !versions.has(name));
      this.configuration.catalog.observe({ type: 'ack', id: this.facts.id, typeUrl, versions, removed });
    }
    this.held = types;
  }

  /** Asks for all of a type, or for names of it only. */
  subscribe(typeUrl: string, names?: readonly string[], dropped: readonly string[] = []): void {
    const wildcard = names === undefined;
    const asked = { wildcard, covers: (name: string) => wildcard || names.includes(name) };
    this.configuration.catalog.observe({ type: 'subscribed', id: this.facts.id, typeUrl, asked, dropped });
  }

  nack(typeUrl: string, message: string): void {
    const versions = new Map([...this.view.resources(typeUrl)].map(([name, { version }]) => [name, version]));
    this.configuration.catalog.observe({ type: 'nack', id: this.facts.id, typeUrl, versions, removed: [], message });
  }

  leave(): void {
    this.configuration.catalog.detach(this.facts.id);
    this.configuration.catalog.observe({ type: 'disconnected', id: this.facts.id });
  }
}

export type Rig = Awaited<ReturnType<typeof startRig>>;

/** A configuration on a store in memory. */
export async function startRig(options: Partial<ConfigurationOptions> & { readonly store?: MemoryStore } = {}) {
  const log = recordingLog();
  const store = options.store ?? new MemoryStore();
  const configuration = createConfiguration({
    log,
    createView: () => new RecordingView(),
    id: 'cp-1',
    replicated: false,
    backup: async (from, write) => {
      await backup(from, (text) => write(Buffer.from(text)));
    },
    restore,
    pace: { endpointsQuietMs: 0, configurationQuietMs: 1, longestMs: 10 },
    rollouts: { interval: 5, grace: 50 },
    reconnectMs: 0,
    ...options,
    store,
  });
  const proxies = new Map<string, FakeProxy>();
  configuration.catalog.onMove = (id, view) => {
    const proxy = proxies.get(id);
    if (proxy) proxy.view = recorded(view);
  };
  await configuration.start();
  const calls = new AbortController();

  function handler(method: string, service = 'l7mp.admin.v1.ConfigService') {
    const found = configuration.services.find(({ name }) => name === service)?.methods?.[method];
    if (found === undefined) throw new Error(`no method ${service}/${method}`);
    return found as (request: unknown, call: Call) => unknown;
  }
  const callOf = (identity: Identity, signal: AbortSignal): Call => ({
    identity,
    peer: '127.0.0.1:1',
    metadata: {},
    signal,
  });
  return {
    configuration,
    store,
    log,
    call: <T>(method: string, request: object, identity = ADMIN): Promise<T> =>
      // A handler that refuses may throw at once.
      Promise.resolve().then(() => handler(method)(request, callOf(identity, calls.signal)) as Promise<T>),
    stream: <T>(method: string, request: object, signal = calls.signal, service?: string): AsyncIterable<T> =>
      handler(method, service)(request, callOf(ADMIN, signal)) as AsyncIterable<T>,
    proxy: (id: string, labels?: Readonly<Record<string, string>>, features?: readonly string[]): FakeProxy => {
      const proxy = new FakeProxy(configuration, id, labels, features);
      proxies.set(id, proxy);
      return proxy;
    },
    close: async (): Promise<void> => {
      calls.abort();
      await configuration.close();
      await store.close();
    },
  };
}

export const FIRST_PAGE = { page_size: 0, page_token: '' };
export const APPLY = { objects: [], replace_kinds: [], dry_run: false, message: '' };
