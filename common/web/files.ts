/** The files of the dashboard, as `npm run build` leaves them in dist/dashboard, with what browsers are told about them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

export interface WebFile {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

/** Nothing inline, nothing from elsewhere, in nobody's frame. */
export const PAGE_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const;

let known: ReadonlyMap<string, WebFile> | undefined;

/** A file by its name, as in `views/proxies.js`; `''` is the page. Undefined: there is none of that name, or nothing was built. Read once. */
export function webFile(name: string): WebFile | undefined {
  known ??= readFiles();
  return known.get(name === '' ? 'index.html' : name);
}

function readFiles(): ReadonlyMap<string, WebFile> {
  // From dist/, from the sources, and from where they are compiled for benchmarks.
  const folders = ['../../dashboard/', '../../dist/dashboard/', '../../../../dist/dashboard/'].map(
    (each) => new URL(each, import.meta.url),
  );
  const folder = folders.find(
    (each) => existsSync(new URL('index.html', each)) && existsSync(new URL('main.js', each)),
  );
  if (folder === undefined) return new Map();
  return new Map(
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).flatMap((name) => {
      const type = TYPES[name.slice(name.lastIndexOf('.') + 1)];
      if (type === undefined) return [];
      const headers = { ...PAGE_HEADERS, 'content-type': type, 'cache-control': 'no-cache' };
      return [[name, { headers, body: readFileSync(new URL(name, folder)) }] as const];
    }),
  );
}
