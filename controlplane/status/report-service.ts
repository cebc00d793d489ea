/** Takes the reports of proxies: how what they accepted fares, and what their sessions do, where somebody looks. */
import type { ReportRequest, ReportResponse, ResourceReport, TrafficReport } from '../../gen/messages.ts';
import type { Logger } from '../../common/log.ts';
import { isOver } from '../../common/signal.ts';
import { mayBe } from '../core/authorization.ts';
import { type Call, RpcError, type Service, STATUS } from '../core/rpc.ts';
import type { Seat, TrafficBoard } from './traffic-board.ts';

export interface ReportSink {
  /** Gives what all that the proxy has reported takes, in characters. */
  report(id: string, resources: readonly ResourceReport[], first: boolean): number;
  unreport(id: string): void;
}

const STATES = new Set(['accepted', 'serving', 'failed', 'removed']);
/** Of one message. */
const MAX_RESOURCES = 100_000;
/** Of all messages of a stream: 100,000 resources take about half of it. */
const MAX_CHARACTERS = 32 * 1024 * 1024;
/** Of one message. */
const MAX_ITEMS = 2000;

export function createReportService(sink: ReportSink, board: Pick<TrafficBoard, 'join'>, log: Logger): Service {
  /** The stream that speaks for a proxy: the newest one. */
  const streams = new Map<string, object>();

  async function* report(requests: AsyncIterable<ReportRequest>, call: Call): AsyncIterable<ReportResponse> {
    const self = {};
    let node: string | undefined;
    let seat: Seat | undefined;
    const answers = new Answers(call.signal);

    const take = ({ node: named, resources, traffic, sessions }: ReportRequest): void => {
      const first = node === undefined;
      node ??= checkNode(named, call, log);
      if (named !== '' && named !== node) {
        throw new RpcError(STATUS.INVALID_ARGUMENT, `node: expected "${node}" as before, or nothing, found "${named}"`);
      }
      checkResources(resources);
      checkTraffic(traffic);
      if (first) {
        streams.set(node, self);
        seat = board.join(node, () => answers.ask());
      }
      if (streams.get(node) !== self) return;
      const size = first || resources.length > 0 ? sink.report(node, resources, first) : 0;
      if (size > MAX_CHARACTERS) {
        const message = `resources: expected reports of at most ${MAX_CHARACTERS} characters together, found ${size}`;
        throw new RpcError(STATUS.RESOURCE_EXHAUSTED, message);
      }
      seat?.take({ ...(traffic && { traffic }), ...(sessions && { sessions }) });
    };
    const reading = (async () => {
      for await (const request of requests) {
        take(request);
        await answers.owe();
      }
    })();
    reading.then(
      () => answers.end(),
      (error: unknown) => answers.end(error instanceof Error ? error : new Error(String(error))),
    );
    try {
      while (await answers.next()) yield seat?.wants() ?? NOTHING;
    } finally {
      seat?.leave();
      if (node !== undefined && streams.get(node) === self) {
        streams.delete(node);
        sink.unreport(node);
      }
    }
  }

  return { name: 'l7mp.admin.v1.ReportService', methods: { Report: report } };
}

const NOTHING: ReportResponse = { traffic_interval_ms: 0, sessions: 0, session_details: [], end_sessions: [] };

/** The answers that a stream owes: one for each request, and one when it is to be asked for something else. */
class Answers {
  private readonly signal: AbortSignal;
  private owed: (() => void)[] = [];
  /** Beside those. */
  private asked = false;
  private over = false;
  private error: Error | undefined;
  private wake: () => void = () => undefined;

  constructor(signal: AbortSignal) {
    this.signal = signal;
    signal.addEventListener('abort', () => this.wake(), { once: true });
  }

  /** Resolves when it is given: no more requests are read before. */
  owe(): Promise<void> {
    return new Promise((resolve) => {
      this.owed.push(resolve);
      this.wake();
    });
  }

  /** There is something new to say: once, however often it is asked for until then. */
  ask(): void {
    this.asked = true;
    this.wake();
  }

  end(error?: Error): void {
    this.over = true;
    this.error = error;
    this.wake();
  }

  /** Whether there is one to give. @throws what the stream ended with. */
  async next(): Promise<boolean> {
    while (this.owed.length === 0 && !this.asked && !this.over && !isOver(this.signal))
      await new Promise<void>((resolve) => (this.wake = resolve));
    this.asked = false;
    this.owed.shift()?.();
    // What is wrong with a request is told before anything else.
    if (this.error !== undefined) throw this.error;
    return !this.over && !isOver(this.signal);
  }
}

function checkTraffic(traffic: TrafficReport | undefined): void {
  const found = traffic?.items.length ?? 0;
  if (found <= MAX_ITEMS) return;
  throw new RpcError(STATUS.INVALID_ARGUMENT, `traffic.items: expected at most ${MAX_ITEMS}, found ${found}`);
}

function checkNode(node: string, { identity, peer }: Call, log: Logger): string {
  if (node === '') throw new RpcError(STATUS.INVALID_ARGUMENT, 'node: expected the identity of a proxy, found nothing');
  if (!mayBe(identity, node)) {
    log.warn({ audit: true, identity: identity.name, peer, node }, 'reports for another proxy were refused');
    throw new RpcError(STATUS.PERMISSION_DENIED, `${identity.name} is not allowed to report for the proxy "${node}"`);
  }
  return node;
}

function checkResources(resources: readonly ResourceReport[]): void {
  if (resources.length > MAX_RESOURCES) {
    const message = `resources: expected at most ${MAX_RESOURCES}, found ${resources.length}`;
    throw new RpcError(STATUS.INVALID_ARGUMENT, message);
  }
  const index = resources.findIndex(({ state }) => !STATES.has(state));
  if (index < 0) return;
  const found = JSON.stringify(resources[index]?.state.slice(0, 40));
  const message = `resources[${index}].state: expected one of ${[...STATES].join(', ')}, found ${found}`;
  throw new RpcError(STATUS.INVALID_ARGUMENT, message);
}
