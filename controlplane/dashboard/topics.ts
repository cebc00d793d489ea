/** What the dashboard follows: lists of the configuration service, and what proxies tell of their sessions. */
import { badRequest } from '../../common/http-error.ts';
import type { Listing, Topic } from '../../common/web/events.ts';
import { knownTopic } from '../../common/web/queries.ts';
import type {
  ListProxiesResponse,
  ListResponse,
  ListRolloutsResponse,
  Object as ConfigObject,
} from '../../gen/messages.ts';
import { type Call, RpcError, STATUS } from '../core/rpc.ts';
import { stateOf } from '../model/object-state.ts';
import type { Bridge } from './bridge.ts';
import type { Board, Figures, Question } from './types.ts';

export const TOPICS = ['status', 'proxies', 'traffic', 'faults', 'sessions', 'objects', 'rollouts', 'offload'] as const;
export type TopicName = (typeof TOPICS)[number];

/** Of one page: the most that the service gives. */
const PAGE = 1000;
/** Pages of a list: what is beyond is counted by nobody, and told to be there. */
const MAX_PAGES = 5;

interface Sources {
  readonly bridge: Bridge;
  readonly board: Board;
  readonly figures: Figures;
}

/** @throws HttpError for a topic that is none. */
export function topicsOf(names: readonly string[], question: Question, call: Call, sources: Sources) {
  return new Map(
    names.map((name) => {
      const known = knownTopic(name, TOPICS, badRequest);
      return [known, topicOf(known, question, call, sources)] as const;
    }),
  );
}

/** Who may follow what: sessions have what clients sent in their headers, which is more than readers of configuration see. */
export function needsAdmin(names: readonly string[]): boolean {
  return names.includes('sessions');
}

function topicOf(name: TopicName, { proxy, details }: Question, call: Call, sources: Sources): Topic {
  const { bridge, board, figures } = sources;
  switch (name) {
    case 'status':
      return () => {
        const { reporting, omitted } = board.traffic();
        return { items: [['controlplane', { ...figures(), reporting, omitted }]] };
      };
    case 'proxies':
      return () =>
        listed(bridge, call, 'ListProxies', ({ proxies }: ListProxiesResponse) =>
          proxies.map((each) => [each.id, each]),
        );
    case 'objects':
      return () =>
        listed(bridge, call, 'List', ({ objects, files }: ListResponse) => [
          ...objects.map(objectItem),
          ...files.map((each) => [`file:${each.file}`, { kind: 'file', name: each.file, ...each }] as const),
        ]);
    case 'rollouts':
      return () =>
        listed(bridge, call, 'ListRollouts', ({ rollouts }: ListRolloutsResponse) =>
          rollouts.map(({ changes, ...each }) => [each.id, { ...each, objects: changes.length }]),
        );
    case 'traffic':
      return () => {
        const { items, omitted } = board.traffic(proxy);
        return { items, omitted };
      };
    case 'faults':
      return () => ({
        items: board.faults(proxy).map((each) => [`session ${each.time} ${each.proxy} ${each.session}`, each]),
      });
    case 'offload':
      return () => offloadListing(board);
    case 'sessions':
      return () => sessionListing(board, proxy, details);
  }
}

function objectItem(object: ConfigObject): readonly [string, object] {
  const { key, status, selector, labels, revision, source, changed_at } = object;
  const { kind = '', name = '' } = key ?? {};
  return [
    `${kind}/${name}${status?.shadowed_by ? ` of ${source}` : ''}`,
    { kind, name, state: stateOf(object), selector, labels, revision, source, changed_at, status },
  ];
}

async function listed(
  bridge: Bridge,
  call: Call,
  method: string,
  itemsOf: (response: never) => readonly (readonly [string, object])[],
): Promise<Listing> {
  const items: (readonly [string, object])[] = [];
  let token = '';
  for (let page = 0; page < MAX_PAGES; page++) {
    const page_token = token;
    const response = await bridge.call<{ next_page_token: string }>(method, { page_size: PAGE, page_token }, call);
    items.push(...itemsOf(response as never));
    token = response.next_page_token;
    if (token === '') return { items };
  }
  return { items, omitted: 1 };
}

/** By proxy what its kernel relays, and what stays out of it. */
function offloadListing(board: Board): Listing {
  const items = [...board.byProxy()].flatMap(([proxy, pieces]) =>
    [...pieces].flatMap(([key, item]) =>
      item.type === 'kernel' || item.type === 'refusal' ? [[`${proxy}\n${key}`, { proxy, ...item }] as const] : [],
    ),
  );
  return { items };
}

function sessionListing(board: Board, proxy: string | undefined, details: readonly string[]): Listing {
  if (proxy === undefined) {
    throw new RpcError(STATUS.INVALID_ARGUMENT, 'expected proxy=ID, whose sessions are shown, found none');
  }
  const report = board.sessions(proxy);
  if (report === undefined) return { items: [] };
  // Sessions may have any name.
  const rows = report.sessions.map((row) => [`session ${nameOf(row)}`, row] as const);
  const whole = report.details.map((each) => [`detail ${nameOf(each)}`, { detail: each }] as const);
  return { items: details.length > 0 ? [...rows, ...whole] : rows, omitted: report.omitted };
}

function nameOf(session: Readonly<Record<string, unknown>>): string {
  const name = session['name'];
  return typeof name === 'string' ? name : '';
}
