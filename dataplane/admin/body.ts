/** The body of a request: one object, as JSON or YAML. */
import type { Plain } from '../../common/address.ts';
import { type Fault, FaultsError } from '../../common/errors.ts';
import { languageOf } from '../../common/web/queries.ts';
import type { Parsed } from '../../config/parse.ts';
import { isPlain } from '../../config/scalars.ts';
import type { Request } from '../core/protocol.ts';
import { HttpError } from '../../common/http-error.ts';
import { errorOfFaults } from './respond.ts';

type Parse = (text: string) => Promise<Parsed>;

/** The largest JSON body, in bytes: some 80,000 clusters. Reading it takes the proxy's only thread. */
const MAX_JSON = 8 * 1024 * 1024;
/** The largest YAML body, in bytes: YAML takes about a hundred times as long as JSON. */
const MAX_YAML = 1024 * 1024;

/**
 * The content type must be named, as l7mp wants it: a page in a browser can send a form to a loopback address, but no
 * JSON.
 *
 * @throws HttpError 415, 413, 400.
 */
export async function readBody(parse: Parse, request: Request): Promise<Plain> {
  const { headers, body } = request;
  const { type, language } = languageOf(headers['content-type']);
  if (language === undefined) throw new HttpError(415, `Unknown content type: ${type || 'N/A'}`);
  const most = language === 'json' ? MAX_JSON : MAX_YAML;
  if (body.length > most) {
    throw new HttpError(413, `expected at most ${most} bytes of ${language.toUpperCase()}, found ${body.length}`);
  }
  const text = body.toString('utf8');
  const raw = language === 'json' ? parseJson(text) : await parseYaml(parse, text);
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw new HttpError(400, `expected an object in the body, found ${text.trim() === '' ? 'nothing' : 'none'}`);
  }
  return raw as Plain;
}

function parseJson(text: string): unknown {
  try {
    return text.trim() === '' ? undefined : JSON.parse(text);
  } catch (error) {
    throw new HttpError(400, `Invalid JSON format in request: ${error instanceof Error ? error.message : ''}`);
  }
}

async function parseYaml(parse: Parse, text: string): Promise<unknown> {
  try {
    return (await parse(text)).raw;
  } catch (error) {
    if (error instanceof FaultsError) throw errorOfFaults(error.faults, false);
    throw error;
  }
}

/** An object of a body, and where in it things stand. */
export interface Document {
  readonly object: Plain;
  /** The faults with the lines of the body that they are about, where it is not too long to be looked at again. */
  readonly locate: (faults: readonly Fault[]) => Promise<readonly Fault[]>;
}

/** As `readBody`, of what the body wraps or is. @throws HttpError 415, 413, 400. */
export async function readDocument(parse: Parse, request: Request, key: string): Promise<Document> {
  const body = await readBody(parse, request);
  const object = unwrapObject(body, key);
  const prefix = object === body ? '' : `${key}.`;
  return {
    object,
    locate: async (faults) => {
      if (request.body.length > MAX_YAML) return faults;
      const parsed = await parse(request.body.toString('utf8'));
      const found = await parsed.locate(faults.map((each) => ({ ...each, path: `${prefix}${each.path}` })));
      return found.map((each) => ({ ...each, path: each.path.slice(prefix.length) }));
    },
  };
}

/** What the body wraps, as in `{"listener": {…}}`; an object without the wrap is taken, too. */
export function unwrap(body: Plain, key: string): unknown {
  return body[key] ?? body;
}

/** As `unwrap`, where nothing but an object will do. @throws HttpError 400. */
export function unwrapObject(body: Plain, key: string): Plain {
  const raw = unwrap(body, key);
  if (isPlain(raw)) return raw;
  throw new HttpError(400, `${key}: expected an object, found ${Array.isArray(raw) ? 'a list' : typeof raw}`);
}

/** The name that an object brings along. */
export function nameOf(raw: unknown): string | undefined {
  const name = typeof raw === 'object' && raw !== null ? (raw as Plain)['name'] : undefined;
  return typeof name === 'string' ? name : undefined;
}

/** The object without some of its fields. */
export function without(object: Plain, ...names: readonly string[]): Plain {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}
