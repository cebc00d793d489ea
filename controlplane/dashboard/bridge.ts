/** The configuration service as JSON over HTTP: the very methods that gRPC's clients call, with the same rights. */
import { EVENT_HEADERS } from '../../common/web/events.ts';
import { serviceOf } from '../../rpc/services.ts';
import type { Call, Service } from '../core/rpc.ts';
import { toJson } from '../model/object-text.ts';
import { HttpError } from '../../common/http-error.ts';
import { type Answer, json } from './answers.ts';

/** Backups have the secrets, and Restore takes a stream: those are for `l7mp backup` and `l7mp restore`. */
const METHODS: ReadonlySet<string> = new Set([
  'Apply',
  'Delete',
  'Get',
  'List',
  'Watch',
  'WaitApplied',
  'ListVersions',
  'GetVersion',
  'Rollback',
  'ListRollouts',
  'ControlRollout',
  'ListProxies',
]);

export interface Bridge {
  /** One answer of a method: fields that the request does not have are zeros. */
  call<T>(method: string, request: object, call: Call): Promise<T>;
  /** What a request of HTTP is answered with: an object, or of methods that stream, events. @throws HttpError, RpcError */
  answer(method: string, body: unknown, call: Call): Promise<Answer>;
}

type Handler = (request: object, call: Call) => Promise<object> | AsyncIterable<object>;

export function createBridge({ name, methods = {} }: Service): Bridge {
  const definitions = serviceOf(name);
  const find = (method: string): { readonly handler: Handler; readonly definition: (typeof definitions)[string] } => {
    const definition = METHODS.has(method) ? definitions[method] : undefined;
    if (definition === undefined)
      throw new HttpError(404, `expected one of ${[...METHODS].join(', ')}, found ${method}`);
    return { handler: methods[method] as unknown as Handler, definition };
  };
  const read = (method: string, body: unknown): object => {
    const { definition } = find(method);
    try {
      return definition.requestDeserialize(definition.requestSerialize(body as object));
    } catch (error) {
      throw new HttpError(400, `expected a request of ${method}: ${error instanceof Error ? error.message : ''}`);
    }
  };
  return {
    call: async <T>(method: string, request: object, call: Call) =>
      (await find(method).handler(read(method, request), call)) as T,
    answer: async (method, body, call) => {
      if (typeof body !== 'object' || body === null || Array.isArray(body)) {
        throw new HttpError(400, `expected a request of ${method}: an object, found ${JSON.stringify(body)}`);
      }
      const { handler, definition } = find(method);
      const request = read(method, body);
      if (!definition.responseStream) return json(200, await handler(request, call));
      return {
        status: 200,
        headers: EVENT_HEADERS,
        body: async function* (signal) {
          for await (const each of handler(request, { ...call, signal }) as AsyncIterable<object>)
            yield `data: ${JSON.stringify(toJson(each))}\n\n`;
        },
      };
    },
  };
}
