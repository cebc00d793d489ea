/** Keeps web pages of others out, where there is no token. */
import { strangerFault } from '../../common/web/strangers.ts';
import type { Request } from '../core/protocol.ts';
import { HttpError } from '../../common/http-error.ts';

/** @throws HttpError 403 for what another page asks at a loopback address. */
export function refuseStrangers(request: Request): void {
  const fault = strangerFault(request);
  if (fault !== undefined) throw new HttpError(403, fault);
}
