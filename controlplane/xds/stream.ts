/** One stream of the discovery service: its node, its subscriptions, and in which order they are sent what. */
import { isDeepStrictEqual } from 'node:util';
import type { Catalog } from '../core/catalog.ts';
import { labelsFor, mayBe } from '../core/authorization.ts';
import type { NodeEvent, NodeFacts, ResourceKey } from '../core/resource.ts';
import { type RawStream, RpcError, STATUS } from '../core/rpc.ts';
import type { Logger } from '../../common/log.ts';
import type { Body } from './body.ts';
import { heldByClient } from './difference.ts';
import { Gate } from './gate.ts';
import { nodeIdOf, nodeOf, TTL_FEATURE } from './node.ts';
import { readDeltaRequest, readSotwRequest, type Request } from './requests.ts';
import type { Encoding, Variant } from './responses.ts';
import { subscribeDelta, subscribeSotw, type TypeState } from './subscribe.ts';
import type { InFlight } from './sent.ts';
import { Subscription, type SubscriptionHost } from './subscription.ts';
import { compareTypes } from './types.ts';
import type { ServedView } from './view.ts';

const MAX_TYPE_CHARACTERS = 1024;
const NO_NAMES: ReadonlySet<string> = new Set();

export interface StreamLimits {
  /** Names that a stream may subscribe to, of all types. Default: 200,000. */
  readonly maxNames: number;
  /** Characters of those names together. Default: 32 Mi. */
  readonly maxNameCharacters: number;
  /** Types that a stream may subscribe to. Default: 64. */
  readonly maxTypes: number;
  /** Delta responses of a type that may be unanswered at a time; state of the world: one. Default: 32. */
  readonly maxInFlight: number;
  /** How long a client may take to its first request, in ms. Default: 30,000. */
  readonly firstRequestMs: number;
  /** How long later types wait for answers to earlier ones (rule 7), in ms. Default: 5,000. */
  readonly orderTimeoutMs: number;
  /** How long what nothing refers to any more stays after that was answered (rule 7), in ms; 0: not at all. Default: 1,000. */
  readonly removalDelayMs: number;
}

/** What a stream needs of the service. */
export interface StreamHost {
  readonly log: Logger;
  readonly limits: StreamLimits;
  readonly observe: Catalog['observe'];
  /** The view of a node; the stream is one of its from now on. */
  attach(node: NodeFacts, stream: DiscoveryStream): ServedView;
  detach(id: string, stream: DiscoveryStream): void;
  /** A stream of the node asks for something else of a type; `dropped` are names that it asked for until then. */
  subscribed(id: string, typeUrl: string, dropped: readonly string[]): void;
  /** Calls `pump` of a stream, soon and once. */
  schedule(stream: DiscoveryStream): void;
  /** What ends a response. */
  tail(variant: Variant, nonce: string): Buffer;
}

export class DiscoveryStream implements SubscriptionHost {
  readonly variant: Variant;
  readonly maxInFlight: number;
  encoding: Encoding;
  readonly #host: StreamHost;
  readonly #raw: RawStream;
  readonly #firstRequest: NodeJS.Timeout;
  readonly #gate: Gate;
  /** Runs while removals age. */
  #ageing: NodeJS.Timeout | undefined;
  #node: NodeFacts | undefined;
  #encodedNode: Buffer | undefined;
  #view: ServedView | undefined;
  readonly #types = new Map<string, TypeState>();
  /** In the order in which they are sent. */
  #ordered: readonly Subscription[] = [];
  /** Names to be sent whatever the client says that it has. */
  readonly #forced = new Map<string, Set<string>>();
  #nonces = 0;
  #names = 0;
  #nameCharacters = 0;
  #writable = true;
  #closed = false;

  constructor(variant: Variant, raw: RawStream, host: StreamHost) {
    const { limits } = host;
    this.variant = variant;
    this.encoding = variant;
    this.maxInFlight = variant === 'delta' ? limits.maxInFlight : 1;
    this.#raw = raw;
    this.#host = host;
    this.#gate = new Gate(limits.orderTimeoutMs, () => {
      host.log.warn({ node: this.#node?.id }, 'a proxy is slow to answer: the order of types is not kept any more');
      host.schedule(this);
    });
    this.#firstRequest = setTimeout(
      () => raw.end(STATUS.DEADLINE_EXCEEDED, `expected a first request within ${limits.firstRequestMs} ms`),
      limits.firstRequestMs,
    ).unref();
    raw.onMessage = (bytes) => this.#onRequest(bytes);
    raw.onEnd = () => raw.end(STATUS.OK, '');
    raw.onDrain = () => {
      this.#writable = true;
      this.pump();
    };
    raw.onClose = () => this.#close();
  }

  /**
   * Another stream of its node has come. With other labels that one's view is another, which this one may not be allowed to see:
   * it ends.
   *
   * @returns the labels that it had; undefined where it stays.
   */
  yieldTo({ labels }: NodeFacts): NodeFacts['labels'] | undefined {
    if (this.#node === undefined || isDeepStrictEqual(labels, this.#node.labels)) return undefined;
    this.#raw.end(STATUS.ABORTED, 'another stream of this node has come, with other labels');
    return this.#node.labels;
  }

  /** The stream that spoke last for its node, from elsewhere, has ended: what is known of the node is of that one. */
  succeed(): void {
    this.#raw.end(
      STATUS.ABORTED,
      'the stream of this node that came later has ended: connect again, and say what you have',
    );
  }

  /** Where it comes from, as in `127.0.0.1:40000`. */
  get peer(): string {
    return this.#raw.call.peer;
  }

  get writable(): boolean {
    return this.#writable;
  }

  /** In the order in which they are sent. */
  get subscriptions(): readonly Subscription[] {
    return this.#ordered;
  }

  subscription(typeUrl: string): Subscription | undefined {
    return this.#types.get(typeUrl)?.subscription;
  }

  wake(): void {
    this.#host.schedule(this);
  }

  /** Everything that is due and may be sent now. */
  pump(): void {
    try {
      this.#pump();
    } catch (error) {
      this.#host.log.error({ node: this.#node?.id, error }, 'a discovery stream failed');
      this.#raw.end(STATUS.INTERNAL, 'internal error: the log of the server has it');
    }
  }

  #pump(): void {
    if (this.#closed) return;
    if (this.#ordered.some((each) => each.tooFarBehind)) {
      this.#raw.end(STATUS.ABORTED, 'too far behind: connect again, and say what you have');
      return;
    }
    // What a client asked for it may be waiting for: that goes before the order of types.
    for (const each of this.#ordered) {
      while (each.hasAnswers() && each.free) {
        if (!this.#writable) return;
        each.sendAnswer();
      }
    }
    if (!this.#pushUpserts() || !this.#pushRemovals()) return;
    this.#gate.open();
    for (const each of this.#ordered) {
      while (each.hasHeartbeats() && each.free && this.#writable) each.sendHeartbeats();
    }
  }

  send(body: Body): string {
    this.#nonces += 1;
    const nonce = String(this.#nonces);
    this.#writable = this.#raw.write([...body.parts, this.#host.tail(this.variant, nonce)]);
    return nonce;
  }

  force({ typeUrl, name }: ResourceKey): void {
    const state = this.#types.get(typeUrl);
    if (state) state.subscription.push(name);
    else this.#forced.set(typeUrl, (this.#forced.get(typeUrl) ?? new Set()).add(name));
  }

  /** Goes on with another view. */
  move(view: ServedView): void {
    if (view === this.#view) return;
    this.#view = view;
    for (const each of this.#ordered) each.move(view.type(each.typeUrl));
    this.#gate.renew();
    this.wake();
  }

  #onRequest(bytes: Buffer): void {
    const request = this.variant === 'delta' ? readDeltaRequest(bytes) : readSotwRequest(bytes);
    const view = this.#identify(request);
    const { typeUrl } = request;
    if (typeUrl === '') throw new RpcError(STATUS.INVALID_ARGUMENT, 'expected a type_url, found none');
    if (typeUrl.length > MAX_TYPE_CHARACTERS) {
      const message = `expected a type_url of up to ${MAX_TYPE_CHARACTERS} characters, found ${typeUrl.length}`;
      throw new RpcError(STATUS.INVALID_ARGUMENT, message);
    }
    const state = this.#types.get(typeUrl) ?? this.#addType(typeUrl, view);
    const { subscription } = state;
    if (request.nonce !== '') this.#observe(subscription, subscription.sent.answer(request.nonce), request.error);
    const before = { names: subscription.names.size, characters: subscription.nameCharacters };
    if ('subscribe' in request) {
      const { initialVersions } = request;
      const says = !state.known && initialVersions.bounds.length > 0;
      const held = says ? heldByClient(subscription.log, initialVersions) : undefined;
      if (held) this.#observeHeld(typeUrl, held.versions);
      subscribeDelta(state, request, this.#forced.get(typeUrl) ?? NO_NAMES, held);
      for (const name of request.subscribe) this.#gate.arrived(typeUrl, name);
    } else {
      subscribeSotw(state, request);
      for (const name of request.names) this.#gate.arrived(typeUrl, name);
    }
    if (subscription.wildcard) this.#gate.arrivedAll(typeUrl);
    state.known = true;
    this.#observeAsked(subscription);
    this.#forced.delete(typeUrl);
    this.#names += subscription.names.size - before.names;
    this.#nameCharacters += subscription.nameCharacters - before.characters;
    const { maxNames, maxNameCharacters } = this.#host.limits;
    if (this.#names > maxNames) {
      throw new RpcError(STATUS.RESOURCE_EXHAUSTED, `expected at most ${maxNames} names, found ${this.#names}`);
    }
    if (this.#nameCharacters > maxNameCharacters) {
      const message = `expected names of at most ${maxNameCharacters} characters together, found ${this.#nameCharacters}`;
      throw new RpcError(STATUS.RESOURCE_EXHAUSTED, message);
    }
    this.wake();
  }

  /** The first request says who it is, later ones may say it again. */
  #identify({ node }: Request): ServedView {
    if (this.#view === undefined || this.#node === undefined) return this.#enter(node);
    if (node !== undefined && this.#encodedNode?.equals(node) === false && nodeIdOf(node) !== this.#node.id) {
      throw new RpcError(
        STATUS.INVALID_ARGUMENT,
        `expected the node of the stream's first request, ${this.#node.id}, found ${nodeIdOf(node)}`,
      );
    }
    return this.#view;
  }

  #enter(bytes: Uint8Array | undefined): ServedView {
    const { call } = this.#raw;
    const claimed = nodeOf(bytes, call, this.variant);
    const node = { ...claimed, labels: this.#authorize(claimed) };
    clearTimeout(this.#firstRequest);
    if (node.node.client_features.includes(TTL_FEATURE)) this.encoding = `${this.variant}-ttl`;
    this.#node = node;
    this.#encodedNode = Buffer.from(bytes ?? []);
    this.#view = this.#host.attach(node, this);
    return this.#view;
  }

  /** The labels that a node has. @throws RpcError PERMISSION_DENIED, after a line in the log with `audit: true`. */
  #authorize({ id, labels, peer }: NodeFacts): NodeFacts['labels'] {
    const { identity } = this.#raw.call;
    const { name, nodes } = identity;
    const line = { audit: true, identity: name, node: id, peer };
    if (!mayBe(identity, id)) {
      this.#host.log.warn({ ...line, allowed: nodes }, 'a proxy is refused: its identity is not that of the node');
      throw new RpcError(STATUS.PERMISSION_DENIED, `${name} may not be the node ${id}`);
    }
    try {
      return labelsFor(identity, labels);
    } catch (error) {
      const { message: reason } = error as RpcError;
      this.#host.log.warn({ ...line, reason }, 'a proxy is refused: its labels are not those of its identity');
      throw error;
    }
  }

  #addType(typeUrl: string, view: ServedView): TypeState {
    const { maxTypes } = this.#host.limits;
    if (this.#types.size >= maxTypes) {
      throw new RpcError(STATUS.RESOURCE_EXHAUSTED, `expected at most ${maxTypes} types, found ${typeUrl}`);
    }
    const subscription = new Subscription(this, view.type(typeUrl));
    const state: TypeState = { subscription, named: false, known: false };
    this.#types.set(typeUrl, state);
    this.#ordered = [...this.#ordered, subscription].toSorted((a, b) => compareTypes(a.typeUrl, b.typeUrl));
    return state;
  }

  #observe(subscription: Subscription, answered: InFlight | undefined, error: string | undefined): void {
    const { id } = this.#node ?? {};
    if (answered === undefined || id === undefined) return;
    const { typeUrl } = subscription;
    const { versions } = answered.body;
    const removed = error === undefined ? subscription.sent.goneAfter(answered) : answered.body.removed;
    const elapsedMs = performance.now() - answered.sentAt;
    let event: NodeEvent;
    if (error !== undefined) event = { type: 'nack', id, typeUrl, versions, removed, message: error, elapsedMs };
    else if (versions.size > 0 || removed.length > 0)
      event = { type: 'ack', id, typeUrl, versions, removed, elapsedMs };
    else return;
    this.#host.observe(event);
  }

  /** What it has already is not sent, so that no ACK follows: its saying so is one. */
  #observeHeld(typeUrl: string, versions: ReadonlyMap<string, string>): void {
    const { id } = this.#node ?? {};
    if (versions.size > 0 && id !== undefined) this.#host.observe({ type: 'ack', id, typeUrl, versions, removed: [] });
  }

  #observeAsked(asked: Subscription): void {
    const { id } = this.#node ?? {};
    const dropped = asked.takeDropped();
    if (dropped !== undefined && id !== undefined) this.#host.subscribed(id, asked.typeUrl, dropped);
  }

  #close(): void {
    this.#closed = true;
    clearTimeout(this.#firstRequest);
    clearTimeout(this.#ageing);
    this.#gate.open();
    for (const each of this.#ordered) each.close();
    if (this.#node) this.#host.detach(this.#node.id, this);
  }

  /** False: something is left that can't be sent now. */
  #pushUpserts(): boolean {
    let unanswered = Infinity;
    let answering = false;
    for (const each of this.#ordered) {
      if (each.hasUpserts()) {
        const { typeUrl: what, changes: state } = each;
        const awaits = answering || this.#gate.awaitsBefore(what);
        if (!this.#gate.passes({ what, state, unanswered, last: this.#nonces, awaits })) return false;
        while (each.hasUpserts()) {
          if (!this.#writable || !each.free) return false;
          this.#awaitCompanions(each.sendUpserts());
        }
      }
      unanswered = Math.min(unanswered, each.sent.oldest);
      answering ||= each.hasAnswers();
    }
    return true;
  }

  /** What was referred to goes last, in the reverse order. */
  #pushRemovals(): boolean {
    const settled = this.#ageRemovals();
    for (const each of this.#ordered.toReversed()) {
      while (each.hasRemovals()) {
        if (!this.#writable || !each.free) return false;
        each.sendRemovals();
      }
    }
    return settled;
  }

  /**
   * Some clients answer before they do as they were told, and use for a moment yet what the answered responses don't refer to any
   * more: it goes a while later. What comes to be removed meanwhile ages after that. False: answers are waited for first.
   */
  #ageRemovals(): boolean {
    if (this.#ageing !== undefined || !this.#ordered.some((each) => each.hasFreshRemovals())) return true;
    let [state, unanswered, awaits] = [0, Infinity, this.#gate.awaits];
    for (const each of this.#ordered) {
      state += each.removals;
      unanswered = Math.min(unanswered, each.sent.oldest);
      awaits ||= each.hasAnswers();
    }
    if (!this.#gate.passes({ what: 'removals', state, unanswered, last: this.#nonces, awaits })) return false;
    for (const each of this.#ordered) each.ageRemovals();
    const end = (): void => {
      this.#ageing = undefined;
      for (const each of this.#ordered) each.endAgeing();
    };
    const { removalDelayMs } = this.#host.limits;
    if (removalDelayMs === 0) {
      end();
      return true;
    }
    this.#ageing = setTimeout(() => {
      end();
      this.wake();
    }, removalDelayMs).unref();
    return true;
  }

  /** Clients ask for the endpoints of new clusters, and use the clusters only then. */
  #awaitCompanions(body: Body | undefined): void {
    for (const companion of body?.companions ?? []) {
      const covered = this.#types.get(companion.typeUrl)?.subscription.covers(companion.name) ?? false;
      if (!covered && this.#view?.resources(companion.typeUrl).has(companion.name)) this.#gate.await(companion);
    }
  }
}
