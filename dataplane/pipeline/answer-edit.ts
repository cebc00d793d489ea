/** What a route does to the header of what a session is answered with: an endpoint's answer, or the proxy's own. */
import type { Destination, Route } from '../../gen/l7mp/config/v1/types.ts';
import type { ProxyError } from '../../common/errors.ts';
import { Answered, answerOf } from '../core/answer.ts';
import type { Metadata } from '../core/session.ts';
import type { HeaderList, Signal } from '../core/stream.ts';
import { corsFields, originOf } from './cors.ts';
import { changeHeaders } from './responses.ts';

export interface AnswerEdit {
  readonly signal: (signal: Signal) => Signal;
  /** The failure with what is changed of how the client is told. */
  readonly refusal: (error: ProxyError) => ProxyError;
}

/** Undefined where it does nothing. `token` gives what an endpoint's answer has beside its own fields. */
export function answerEdit(
  { cors, response_headers: changes }: Route,
  destination: Destination | undefined,
  metadata: Metadata,
  token?: () => HeaderList,
): AnswerEdit | undefined {
  const own = destination?.response_headers;
  if (!cors && !changes && !own && !token) return undefined;
  const origin = cors && originOf(metadata); // before a destination changes it
  const edit = (headers: HeaderList): HeaderList => {
    let edited = headers;
    if (own) edited = changeHeaders(edited, own);
    if (changes) edited = changeHeaders(edited, changes);
    return cors ? corsFields(cors, origin, edited) : edited;
  };
  return {
    // What comes before an answer is no answer.
    signal: (signal) =>
      signal.type === 'response' && (signal.status >= 200 || signal.status === 101)
        ? { ...signal, headers: [...edit(signal.headers), ...(token?.() ?? [])] }
        : signal,
    refusal: (error) => {
      const answer = answerOf(error);
      return new Answered({ ...answer, headers: edit(answer.headers) }, error.message, error.code);
    },
  };
}
