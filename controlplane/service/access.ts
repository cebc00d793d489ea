/** Who may do what with the configuration; each refusal and each change is an audit line. */
import type { Logger } from '../../common/log.ts';
import { type Call, RpcError, STATUS } from '../core/rpc.ts';

export class Access {
  private readonly log: Logger;

  constructor(log: Logger) {
    this.log = log;
  }

  /** @throws RpcError PERMISSION_DENIED */
  toRead(call: Call, method: string): void {
    if (!call.identity.reader && !call.identity.admin) this.refuse(call, method, 'read');
  }

  /** @throws RpcError PERMISSION_DENIED */
  toChange(call: Call, method: string): void {
    if (!call.identity.admin) this.refuse(call, method, 'change');
  }

  /** @throws RpcError PERMISSION_DENIED */
  toBackUp(call: Call, method: string): void {
    if (!call.identity.admin)
      this.refuse(call, method, 'back up', ': a backup has the secrets, which readers are not shown');
  }

  /** Says what was done by whom. */
  changed({ identity, peer }: Call, method: string, fields: Readonly<Record<string, unknown>>): void {
    this.log.info({ audit: true, identity: identity.name, peer, method, ...fields }, 'the configuration was changed');
  }

  /** Says what somebody wanted to do; it may be done in spite of the error, where the store did not answer. */
  failed({ identity, peer }: Call, method: string, fields: Readonly<Record<string, unknown>>, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.log.warn(
      { audit: true, identity: identity.name, peer, method, ...fields, reason },
      'a change of the configuration failed, or it is not known what became of it',
    );
  }

  /** Says who took all of it along. */
  exported({ identity, peer }: Call, method: string): void {
    this.log.info({ audit: true, identity: identity.name, peer, method }, 'all that the store holds was given out');
  }

  private refuse({ identity, peer }: Call, method: string, what: string, why = ''): never {
    this.log.warn({ audit: true, identity: identity.name, peer, method }, 'a call was refused');
    const wanting = identity.wanting === undefined ? '' : ` (${identity.wanting})`;
    throw new RpcError(
      STATUS.PERMISSION_DENIED,
      `${identity.name} is not allowed to ${what} the configuration${why}${wanting}`,
    );
  }
}
