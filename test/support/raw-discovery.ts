/** The discovery service without a network: raw streams whose requests and responses are taken in the turns that a test gives. */
import { expect } from 'chai';
import type { Catalog, View } from '../../controlplane/core/catalog.ts';
import type { RawStream } from '../../controlplane/core/rpc.ts';
import { createDiscoveryService, type DiscoveryOptions } from '../../controlplane/xds/service.ts';
import { createView } from '../../controlplane/xds/view.ts';
import { codecOf } from '../../rpc/protos.ts';
import { silentLogger } from './doubles.ts';
import { settled } from './cluster.ts';
import { textsOf } from './discovery.ts';

const METHODS = { delta: 'DeltaAggregatedResources', sotw: 'StreamAggregatedResources' } as const;
const MESSAGES = { delta: 'DeltaDiscovery', sotw: 'Discovery' } as const;

interface Response {
  readonly type_url: string;
  readonly nonce: string;
}

/** One view for all proxies; `move` brings one to another. */
export function rawDiscovery(options: Partial<DiscoveryOptions> = {}, observe: Catalog['observe'] = () => {}) {
  const view = createView();
  const catalog: Catalog = {
    attach: () => view,
    detach: () => {},
    onMove: () => {},
    observe,
  };
  const limits = { removalDelayMs: 0, ...options.limits };
  const service = createDiscoveryService({ catalog, identifier: 'test', log: silentLogger, ...options, limits });

  function connect(variant: keyof typeof METHODS = 'delta', id = 'n', peer = '') {
    const message = (what: string) => codecOf<object>(`envoy.service.discovery.v3.${MESSAGES[variant]}${what}`);
    const received: Response[] = [];
    let status: string | undefined;
    const raw = {
      call: { identity: { name: 'test', admin: true, reader: true, nodes: [] }, peer, metadata: {} },
      queued: 0,
      write: (parts: readonly Buffer[]) =>
        received.push(message('Response').decode(Buffer.concat(parts)) as Response) > 0,
      end: (_: number, reason: string) => (status = reason),
    } as unknown as RawStream;
    service.raw?.[METHODS[variant]]?.(raw);
    const send = (fields: object): void => raw.onMessage(Buffer.from(message('Request').encode(fields)));
    return {
      received,
      /** Why it was ended; undefined: it was not. */
      status: () => status,
      /** Given in the same turn as what comes next. */
      send: (type_url: string, fields: object = {}) => send({ node: { id }, type_url, ...fields }),
      /** Answers one response of a type; expects that it is there. */
      answer: (fields: object = {}): Response => {
        const response = received.shift();
        if (response === undefined) expect.fail(`expected a response, found none: ${status ?? 'the stream is open'}`);
        send({ type_url: response.type_url, response_nonce: response.nonce, ...fields });
        return response;
      },
      /** Answers what has come, and what comes because of that; gives what it was, as `TYPE TEXT,TEXT`. */
      take: async (): Promise<string[]> => {
        const taken: string[] = [];
        await settled();
        for (let next = received.shift(); next !== undefined; next = received.shift()) {
          taken.push(`${nameOf(next.type_url)} ${textsOf(next).join()}`);
          send({ type_url: next.type_url, response_nonce: next.nonce });
          await settled();
        }
        return taken;
      },
      close: () => raw.onClose(),
    };
  }

  return { view, connect, move: (to: View, id = 'n') => catalog.onMove(id, to) };
}

/** `Cluster` of `type.googleapis.com/envoy.config.cluster.v3.Cluster`. */
function nameOf(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
}
