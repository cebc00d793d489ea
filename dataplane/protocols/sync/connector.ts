/** Sync: sessions for which the query gives the same value are one broadcast domain. */
import type { SyncCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import { getAt, parsePointer } from '../../../common/json-pointer.ts';
import type { Connector, ConnectorContext } from '../../core/protocol.ts';
import { type Domain, MemberStream } from './member-stream.ts';

export function createConnector({ name, spec }: ConnectorContext<SyncCluster>): Connector {
  const query = parsePointer(spec.query);
  const domains = new Map<string, Domain>();
  return {
    connect: ({ metadata }) => {
      const value = getAt(metadata, query);
      if (value === undefined) {
        throw new ProxyError(
          'NOT_FOUND',
          `cluster ${name}: expected ${spec.query} in the metadata, found nothing there`,
        );
      }
      const key = JSON.stringify(value);
      const domain = domains.get(key) ?? new Set();
      domains.set(key, domain);
      return new MemberStream(domain, () => {
        if (domain.size === 0 && domains.get(key) === domain) domains.delete(key);
      });
    },
  };
}
