/** What a client is told by the proxy itself, in words of HTTP: protocols that have answers say as much of it as they can. */
import { ProxyError } from '../../common/errors.ts';
import { reasonOf, statusOf } from './status.ts';
import type { HeaderList } from './stream.ts';

/** The length of the body is not among the headers. */
export interface Answer {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: string;
}

/** A session that ends with an answer that somebody asked for. */
export class Answered extends ProxyError {
  readonly answer: Answer;

  constructor(answer: Answer, why: string, code: ProxyError['code'] = 'RESPONDED') {
    super(code, why);
    this.answer = answer;
  }
}

export const TEXT = 'text/plain; charset=utf-8';

/** The answer that was asked for, or what a failure is told as. */
export function answerOf(error: ProxyError): Answer {
  if (error instanceof Answered) return error.answer;
  return { status: statusOf(error), headers: ['content-type', TEXT], body: `${refusalText(error)}\n` };
}

/** What a person reads, as in `Not Found: NO_ROUTE`: the code, and nothing of the inside. */
export function refusalText(error: ProxyError): string {
  const status = error instanceof Answered ? error.answer.status : statusOf(error);
  return `${reasonOf(status)}: ${error.code}`;
}
