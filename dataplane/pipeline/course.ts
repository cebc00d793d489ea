/** What a route has in store for one session: drawn once, when it comes. */
import type { Destination, Route } from '../../gen/l7mp/config/v1/types.ts';
import type { ProxyError } from '../../common/errors.ts';
import { Answered } from '../core/answer.ts';
import type { Metadata } from '../core/session.ts';
import type { HeaderList } from '../core/stream.ts';
import { type AnswerEdit, answerEdit } from './answer-edit.ts';
import { preflightAnswer } from './cors.ts';
import { drawFaults } from './faults.ts';
import type { TokenPlace, Visit } from './persistence.ts';
import { responseAnswer } from './responses.ts';
import { pickDestination } from './routing.ts';

export interface Course {
  /** The one that was picked of several; undefined: the route has but one. */
  readonly destination: Destination | undefined;
  readonly edit: AnswerEdit | undefined;
  /** ms that it waits first, on purpose; 0 is not at all. */
  readonly delay: number;
  /** What it ends with then, in place of being connected. */
  readonly answer: ProxyError | undefined;
}

/** How a session comes to a route. */
export interface Arrival {
  readonly metadata: Metadata;
  /** One that goes on from before has met its faults. */
  readonly isNew: boolean;
  readonly visit: Visit | undefined;
  /** Where it is when it is answered; undefined: nowhere. */
  readonly placeNow: () => TokenPlace | undefined;
}

export function courseOf(route: Route, { metadata, isNew, visit, placeNow }: Arrival): Course {
  const destination = pickDestination(route, visit);
  const faults = route.fault && isNew ? drawFaults(route.fault) : undefined;
  return {
    destination,
    edit: answerEdit(route, destination, metadata, visit && tokenOf(visit, placeNow)),
    delay: faults?.delay ?? 0,
    answer: answerOn(route, destination, metadata) ?? faults?.abort,
  };
}

function tokenOf(visit: Visit, placeNow: Arrival['placeNow']): () => HeaderList {
  return () => {
    const place = placeNow();
    return place === undefined ? [] : visit.fields(place);
  };
}

/** Preflights come first: a page can't read why it was refused. */
function answerOn({ cors }: Route, destination: Destination | undefined, metadata: Metadata): Answered | undefined {
  const preflight = cors && preflightAnswer(cors, metadata);
  if (preflight) return new Answered(preflight, 'a preflight request, as the route has cors');
  const { respond } = destination ?? {};
  return respond && new Answered(responseAnswer(respond), 'by a destination of the route');
}
