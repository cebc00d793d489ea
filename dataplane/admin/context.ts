/** What handlers share: the dependencies, and the few questions that all of them ask. */
import type { Admin } from '../../gen/l7mp/config/v1/types.ts';
import type { Response } from '../core/protocol.ts';
import { HttpError } from '../../common/http-error.ts';
import { errorOfFaults, json, notFound } from './respond.ts';
import type { Call } from './router.ts';
import type { AdminDependencies, Checked } from './types.ts';
import { createViewContext, type ViewContext } from './views.ts';

/** Dependencies, and what the API can change of the process. */
export interface Context extends AdminDependencies {
  /** Unknown fields are refused, with 422. */
  strict: boolean;
  logLevel: Admin['log_level'];
}

/** The value, or all its faults: 422 in strict mode, else 400. */
export function accept<T>({ strict }: Context, { value, faults }: Checked<T>): T {
  if (value === undefined) throw errorOfFaults(faults, strict);
  return value;
}

/** @throws HttpError 400 `Not Found`. */
export function found<T>(value: T | undefined): T {
  if (value === undefined) throw notFound();
  return value;
}

export function isRecursive({ query }: Call): boolean {
  return query.get('recursive') === 'true';
}

/** What views of this request are made of. */
export function viewsOf(context: Context, call: Call): ViewContext {
  return createViewContext(context, isRecursive(call));
}

/** Answers with an object, in the form that `format` asks for: `json` (one line), `pretty`, or a number of spaces. */
export function show({ query }: Call, body: unknown): Response {
  const format = query.get('format') ?? 'json';
  if (format === 'json') return json(200, body);
  if (format === 'pretty') return json(200, body, 2);
  if (/^\d$/u.test(format)) return json(200, body, Number(format));
  throw new HttpError(400, `expected format=json, pretty or a number of spaces from 0 to 9, found ${format}`);
}
