/**
 * The xDS client: keeps a stream to one of the control planes, holds what it gives, and makes that live.
 *
 * ```
 *   stream ──▶ protocol (delta, or sotw) ──▶ intake ──▶ inventory ──▶ applier ──▶ ConfigSink
 *      ▲             │ ACK, NACK                                         │
 *      └─────────────┘                                                   └──▶ disk, reports
 * ```
 */
import { setTimeout as delayFor } from 'node:timers/promises';
import type { Node } from '../../gen/messages.ts';
import { backoff } from '../../common/backoff.ts';
import type { ControlPlaneState } from '../core/control-plane.ts';
import { ProxyError } from '../../common/errors.ts';
import { productVersion } from '../../common/version.ts';
import { REPORTS } from '../../rpc/features.ts';
import { reasonOf } from '../../common/unreached.ts';
import { Applier } from './applier.ts';
import { DeltaProtocol } from './delta.ts';
import { Intake } from './intake.ts';
import { Inventory } from './inventory.ts';
import { LastGood } from './last-good.ts';
import type { StreamParts, StreamProtocol } from './protocol.ts';
import { Reporter } from './reports.ts';
import { ResponseCounts } from './response-counts.ts';
import { type AcceptedVersions, SotwProtocol } from './sotw.ts';
import { type Call, type CallEnd, Transport } from './transport.ts';
import type { ControlPlaneOptions, ResourceKind, Timing, XdsDependencies } from './types.ts';
import { wantedNames } from './wanted.ts';

const TIMING: Timing = {
  backoffBase: 500,
  backoffCap: 30_000,
  connect: 10_000,
  keepalive: 30_000,
  keepaliveTimeout: 5000,
  coalesce: 5,
  save: 1000,
  lastSave: 5000,
  firstAnswers: 15_000,
};

const SERVICE = 'envoy.service.discovery.v3.AggregatedDiscoveryService';
const METHODS = { delta: 'DeltaAggregatedResources', sotw: 'StreamAggregatedResources' } as const;

type Variant = keyof typeof METHODS;

export class XdsClient {
  private readonly options: ControlPlaneOptions;
  private readonly dependencies: XdsDependencies;
  private readonly timing: Timing;
  private readonly servers: readonly string[];
  private readonly inventory = new Inventory();
  private readonly intake: Intake;
  private readonly applier: Applier;
  private readonly reporter: Reporter;
  private readonly disk: LastGood | undefined;
  private readonly counts = new ResponseCounts();
  private readonly acceptedVersions: AcceptedVersions = new Map();
  private readonly stopping = new AbortController();
  private readonly unwatch: () => void;
  private running: Promise<void> | undefined;
  /** Has it looked again whether there is something to ask for. */
  private wake = (): void => undefined;
  private protocol: StreamProtocol | undefined;
  private call: Call | undefined;
  /** Failed attempts in a row. */
  private failures = 0;
  private turn = 0;
  /** A whole configuration came and is live, or was on disk. */
  private isComplete = false;
  private isReady = false;
  /** Names that the control plane said it does not have: an answer, too. Until it is ready. */
  private readonly absent = new Set<string>();
  /** Names that nobody answers are waited for no longer. */
  private isPatient = true;
  private patience: NodeJS.Timeout | undefined;
  /** Something came that is not on disk. */
  private isDirty = false;
  private connection = {
    connected: false,
    server: '',
    variant: 'delta' as Variant,
    since: Date.now(),
    connects: 0,
    lastError: undefined as string | undefined,
  };

  constructor(options: ControlPlaneOptions, dependencies: XdsDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    this.timing = { ...TIMING, ...options.timing };
    this.servers = shuffled(options.servers);
    const { sink, codec, log, watch } = dependencies;
    const { inventory } = this;
    this.intake = new Intake(inventory, codec, () => sink.snapshot);
    this.applier = new Applier({
      inventory,
      sink,
      coalesce: this.timing.coalesce,
      log,
      onApplied: (live) => {
        this.changed();
        if (!this.isComplete || !this.isDirty) return;
        this.disk?.save(live);
        this.isDirty = !this.applier.isSettled; // what came meanwhile is saved when it is live
      },
    });
    this.reporter = new Reporter(options.id, inventory, dependencies);
    this.disk =
      options.stateDir === undefined
        ? undefined
        : new LastGood({
            directory: options.stateDir,
            id: options.id,
            typeUrlOf: ({ kind }) => codec.typeUrlOf(kind),
            delay: this.timing.save,
            log,
          });
    // An object of the proxy's own may have come, or gone, in front of one of ours; and what is asked for may be another.
    this.unwatch = watch(() => this.applier.schedule());
  }

  /** Resolves when the last good configuration, where there is one, is live. The connection is made meanwhile. */
  async start(): Promise<void> {
    await this.restore();
    this.changed();
    this.running = this.run();
  }

  /** Whether a first complete configuration is live: its listeners listen, or failed to. */
  get ready(): boolean {
    return this.isReady;
  }

  get state(): ControlPlaneState {
    const { codec } = this.dependencies;
    const types = codec.kinds.map((kind) => [kind, this.counts.of(kind, this.inventory.of(kind).size)] as const);
    return { ...this.connection, ready: this.isReady, types: new Map(types) };
  }

  async close(): Promise<void> {
    this.unwatch();
    this.stopping.abort();
    this.wake();
    this.reporter.close();
    this.call?.cancel();
    await this.running;
    await this.applier.close();
    clearTimeout(this.patience);
    await this.saveLast();
  }

  /** Saves what is not on disk yet, as long as there is time for it. */
  private async saveLast(): Promise<void> {
    const { timing, options } = this;
    const waited = new AbortController();
    const late = delayFor(timing.lastSave, 'late' as const, waited).catch(() => undefined);
    const outcome = await Promise.race([this.disk?.flush(), late]);
    waited.abort();
    if (outcome !== 'late') return;
    const fields = { directory: options.stateDir, waited_ms: timing.lastSave };
    this.dependencies.log.error(fields, 'the last good configuration is not saved: its file system does not answer');
  }

  private async restore(): Promise<void> {
    const { codec, log } = this.dependencies;
    const kept = await this.disk?.load();
    if (kept === undefined) return;
    for (const kind of codec.kinds) {
      if (!this.isAskedFor(kind)) continue;
      const typeUrl = codec.typeUrlOf(kind);
      const faults = this.intake.take(
        kind,
        kept.filter((each) => each.typeUrl === typeUrl),
        { names: [] },
      );
      if (faults.length > 0) log.warn({ faults }, 'a part of the last good configuration is passed over');
    }
    this.isComplete = true;
    this.isPatient = false; // it is what was served before, with or without
    await this.applier.flush(true);
    log.info({ resources: [...this.inventory.all()].length }, 'serving the last good configuration');
  }

  private get isStopping(): boolean {
    return this.stopping.signal.aborted;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (await this.needed()) {
      const server = this.servers[this.turn++ % this.servers.length] ?? '';
      let error: string;
      try {
        error = await this.converse(server);
      } catch (thrown) {
        error = ProxyError.from(thrown).message;
      }
      if (this.isStopping) return;
      await delayFor(this.disconnected(server, error), undefined, { signal }).catch(() => undefined);
    }
  }

  /**
   * Resolves when there is something to ask for; to false where it ends before. In a stream there is no way to ask for
   * nothing: a first request without names asks for all, and servers end a stream without any.
   */
  private async needed(): Promise<boolean> {
    while (!this.isStopping && this.neededKinds().length === 0) {
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    return !this.isStopping;
  }

  /** Gives the ms until the next attempt. */
  private disconnected(server: string, error: string): number {
    const { log } = this.dependencies;
    const { connected: wasConnected, since } = this.connection;
    this.connection = {
      ...this.connection,
      server,
      connected: false,
      lastError: error,
      since: wasConnected ? Date.now() : since,
    };
    const { backoffBase: base, backoffCap: cap } = this.timing;
    const retry = Math.round(backoff(++this.failures, { base, cap }));
    const fields = { server, error, retry_ms: retry };
    if (wasConnected || this.failures === 1) {
      log.warn(fields, 'not connected to the control plane; what is configured stays');
    } else log.debug(fields, 'still not connected to the control plane');
    return retry;
  }

  /** One connection, until it ends: gives why. */
  private async converse(server: string): Promise<string> {
    const transport = await Transport.connect(server, this.options, this.timing, this.stopping.signal);
    try {
      let end = await this.stream(transport, server, 'delta');
      if (end.code === 'UNIMPLEMENTED') end = await this.stream(transport, server, 'sotw');
      return `${end.code}: ${reasonOf(end.details, '--controlplane-ca')}`;
    } finally {
      this.reporter.close();
      transport.close();
    }
  }

  private stream(transport: Transport, server: string, variant: Variant): Promise<CallEnd> {
    return new Promise((resolve) => {
      if (this.isStopping) {
        resolve({ code: 'CANCELLED', details: 'the proxy is stopping' });
        return;
      }
      let isFirst = true;
      const call = transport.open(SERVICE, METHODS[variant], {
        message: (response) => {
          if (this.call !== call) return;
          if (isFirst) this.connected(transport, server, variant);
          isFirst = false;
          protocol.handle(response);
          this.isDirty = true;
          this.applier.schedule();
        },
        end: (end) => {
          if (this.call === call) {
            this.call = undefined;
            this.protocol = undefined;
          }
          resolve(end);
        },
      });
      const parts = this.partsOf(call);
      const protocol: StreamProtocol =
        variant === 'delta' ? new DeltaProtocol(parts) : new SotwProtocol(parts, this.acceptedVersions);
      this.call = call;
      this.protocol = protocol;
      this.subscribe();
    });
  }

  private connected(transport: Transport, server: string, variant: Variant): void {
    const { connects } = this.connection;
    this.failures = 0;
    this.connection = {
      connected: true,
      server,
      variant,
      since: Date.now(),
      connects: connects + 1,
      lastError: undefined,
    };
    this.dependencies.log.info({ server, variant }, 'connected to the control plane');
    this.reporter.open(transport);
  }

  private partsOf(call: Call): StreamParts {
    const { codec, log } = this.dependencies;
    return {
      codec,
      node: nodeOf(this.options),
      send: (request) => call.send(request),
      take: (kind, arrivals, removed) => {
        if (!this.isReady && 'names' in removed) for (const name of removed.names) this.absent.add(keyOf(kind, name));
        return this.intake.take(kind, arrivals, removed);
      },
      versionsOf: (kind, names) =>
        new Map(
          [...this.inventory.of(kind).values()]
            .filter((held) => names?.has(held.name) !== false && !this.intake.isShadowed(held))
            .map(({ name, version }) => [name, version]),
        ),
      answered: (kind, version, faults) => {
        this.counts.count(kind, version, faults);
        if (faults.length > 0)
          log.warn({ type: kind, version, faults }, 'refused a part of what the control plane gave');
      },
    };
  }

  /** Asks for what is wanted now, as far as it has not been asked for. */
  private subscribe(): void {
    const { sink, codec } = this.dependencies;
    const { protocol } = this;
    if (protocol === undefined) return;
    const names = wantedNames(sink.snapshot);
    for (const kind of codec.kinds) {
      if (this.isAskedFor(kind)) protocol.subscribe(kind, this.isWhole(kind) ? undefined : names.get(kind));
    }
    this.forget(names);
  }

  /** What is not asked for any more is not held any more. */
  private forget(names: ReadonlyMap<ResourceKind, ReadonlySet<string>>): void {
    for (const [kind, wanted] of names) {
      if (this.isWhole(kind)) continue;
      for (const name of [...this.inventory.of(kind).keys()]) {
        if (wanted.has(name)) continue;
        this.inventory.delete(kind, name);
        this.applier.schedule();
      }
    }
  }

  /** Whether all resources of a kind are asked for, not only those that are named. */
  private isWhole(kind: ResourceKind): boolean {
    return this.options.resources === 'all' && kind !== 'ClusterLoadAssignment';
  }

  private isAskedFor(kind: ResourceKind): boolean {
    return this.options.resources === 'all' || kind === 'ClusterLoadAssignment' || kind === 'Secret';
  }

  /** Those that are asked for, and without which a configuration is not complete. */
  private neededKinds(): ResourceKind[] {
    const { sink, codec } = this.dependencies;
    if (this.options.resources === 'all') return codec.kinds.filter((kind) => this.isWhole(kind));
    return [...wantedNames(sink.snapshot)].filter(([, names]) => names.size > 0).map(([kind]) => kind);
  }

  /** After each change of the configuration, or of how it fares. */
  private changed(): void {
    this.wake();
    this.subscribe();
    this.reporter.changed();
    if (this.isReady || !this.applier.isSettled) return;
    this.isComplete ||= this.neededKinds().every((kind) => this.counts.has(kind));
    if (!this.isComplete || this.isWaitingForNames()) return;
    const { sink, servingOf, onReady, log } = this.dependencies;
    const isUp = (name: string): boolean => servingOf('Listener', name)?.state !== 'warming';
    this.isReady = [...sink.snapshot.listeners.keys()].every(isUp);
    if (!this.isReady) return;
    clearTimeout(this.patience);
    this.absent.clear();
    log.info({ listeners: sink.snapshot.listeners.size }, 'ready: a complete configuration is live');
    onReady?.();
  }

  /**
   * Whether something that is asked for by name was not answered yet. Bounded: a control plane that speaks state of the world
   * does not say what it does not have.
   */
  private isWaitingForNames(): boolean {
    if (!this.isPatient) return false;
    const isAnswered = (kind: ResourceKind, name: string): boolean =>
      this.inventory.of(kind).has(name) || this.absent.has(keyOf(kind, name));
    const isWaiting = [...wantedNames(this.dependencies.sink.snapshot)].some(
      ([kind, names]) => !this.isWhole(kind) && [...names].some((name) => !isAnswered(kind, name)),
    );
    if (isWaiting) {
      this.patience ??= setTimeout(() => {
        this.isPatient = false;
        this.changed();
      }, this.timing.firstAnswers).unref();
    }
    return isWaiting;
  }
}

function keyOf(kind: ResourceKind, name: string): string {
  return `${kind} ${name}`;
}

function nodeOf({ id, labels }: ControlPlaneOptions): Node {
  return {
    id,
    cluster: '',
    metadata: { labels },
    user_agent_name: 'l7mp',
    user_agent_version: productVersion(),
    client_features: [REPORTS],
  };
}

/** So that many proxies spread over the control planes. */
function shuffled(servers: readonly string[]): string[] {
  return servers
    .map((server) => ({ server, order: Math.random() }))
    .sort((one, other) => one.order - other.order)
    .map(({ server }) => server);
}
