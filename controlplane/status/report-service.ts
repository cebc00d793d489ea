/** Takes the reports of proxies: how what they accepted fares. */
import type { ReportRequest, ReportResponse, ResourceReport } from '../../gen/messages.ts';
import type { Logger } from '../../common/log.ts';
import { mayBe } from '../core/authorization.ts';
import { type Call, RpcError, type Service, STATUS } from '../core/rpc.ts';

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

export function createReportService(sink: ReportSink, log: Logger): Service {
  /** The stream that speaks for a proxy: the newest one. */
  const streams = new Map<string, object>();

  async function* report(requests: AsyncIterable<ReportRequest>, call: Call): AsyncIterable<ReportResponse> {
    const self = {};
    let node: string | undefined;
    try {
      for await (const { node: named, resources } of requests) {
        const first = node === undefined;
        node ??= checkNode(named, call, log);
        if (named !== '' && named !== node) {
          throw new RpcError(
            STATUS.INVALID_ARGUMENT,
            `node: expected "${node}" as before, or nothing, found "${named}"`,
          );
        }
        checkResources(resources);
        if (first) streams.set(node, self);
        const size = streams.get(node) === self ? sink.report(node, resources, first) : 0;
        if (size > MAX_CHARACTERS) {
          const message = `resources: expected reports of at most ${MAX_CHARACTERS} characters together, found ${size}`;
          throw new RpcError(STATUS.RESOURCE_EXHAUSTED, message);
        }
        yield {};
      }
    } finally {
      if (node !== undefined && streams.get(node) === self) {
        streams.delete(node);
        sink.unreport(node);
      }
    }
  }

  return { name: 'l7mp.admin.v1.ReportService', methods: { Report: report } };
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
