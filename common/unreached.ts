/** Why a server could not be reached, from what grpc-js says of it. */
import { withPlainWords } from './openssl-text.ts';

/** What can be done about it is seen from the last thing that went wrong. `options`: those that ask for TLS. */
export function reasonOf(details: string, options: string): string {
  const reason =
    /Last error: (?:Error(?: \[\w+\])?: )?(.*?)\.? ?(?:Resolution note:.*)?$/su.exec(details)?.[1] ?? details;
  // grpc-js has no word for a server that closes the connection before HTTP/2 begins: with a time in place of a reason.
  if (reason.startsWith('Failed to connect (')) {
    return `it closed the connection without an answer: it may want TLS (${options}), or be no control plane`;
  }
  // Nor for one that speaks something else.
  if (reason.startsWith('Protocol error')) return 'it does not speak HTTP/2: it is no control plane';
  return withPlainWords(reason === 'null' || reason === '' ? details : reason);
}
