/** Who asks for something, as lines of the log tell it. */
import type { LogFields } from '../../common/log.ts';
import type { Request } from './protocol.ts';

export type Requester = Pick<Request, 'remote' | 'certificate' | 'session'>;

export function who({ remote, certificate, session }: Requester): LogFields {
  return {
    ...(remote !== undefined && { remote }),
    ...(certificate !== undefined && { certificate }),
    ...(session !== undefined && { session }),
  };
}
