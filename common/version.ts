/** The product's version: that of package.json. */
import { readFileSync } from 'node:fs';

let known: string | undefined;

/** As in `0.1.0`; `unknown` where the package's file is gone. Read once. */
export function productVersion(): string {
  known ??= readVersion();
  return known;
}

function readVersion(): string {
  // From the sources and from dist/: the nearest package.json above is the project's.
  for (const up of ['../package.json', '../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { version: string }).version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}
