/** Formats of the page of metrics, and which of them a scraper wants: loads nothing. */

/** A page as it is answered with. */
export interface MetricsText {
  readonly contentType: string;
  readonly text: string;
}

/** `accept`: the scraper's header of this name. */
export type MetricsPage = (accept?: string) => Promise<MetricsText>;

export type MetricsFormat = 'openmetrics' | 'prometheus';

export const CONTENT_TYPES: Readonly<Record<MetricsFormat, string>> = {
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
};

const OPENMETRICS = 'application/openmetrics-text';
/** Versions that a page of 1.0.0 is good for; without one, too. */
const OPENMETRICS_VERSIONS: ReadonlySet<string | undefined> = new Set([undefined, '1.0.0', '0.0.1']);
/** What Prometheus's text answers, the most specific first. */
const TEXT = ['text/plain', 'text/*', '*/*'];

/** OpenMetrics where it is named, and wanted no less than the other (RFC 9110, section 12.5.1). */
export function formatFor(accept = ''): MetricsFormat {
  const ranges = accept.split(',').map(parseRange);
  const best = (wanted: (range: MediaRange) => boolean): number | undefined => {
    const qualities = ranges.filter(wanted).map(({ quality }) => quality);
    return qualities.length === 0 ? undefined : Math.max(...qualities);
  };
  const open = best(({ type, version }) => type === OPENMETRICS && OPENMETRICS_VERSIONS.has(version)) ?? 0;
  const [text = 0] = TEXT.flatMap((each) => best(({ type }) => type === each) ?? []);
  return open > 0 && open >= text ? 'openmetrics' : 'prometheus';
}

interface MediaRange {
  readonly type: string;
  readonly version: string | undefined;
  /** From 0 to 1. */
  readonly quality: number;
}

function parseRange(range: string): MediaRange {
  const [type = '', ...rest] = range.split(';').map((part) => part.trim().toLowerCase());
  const parameters = new Map(
    rest.map((part) => {
      const [name = '', value = ''] = part.split('=');
      return [name.trim(), value.trim().replace(/^"(.*)"$/u, '$1')];
    }),
  );
  return { type, version: parameters.get('version'), quality: Number(parameters.get('q') ?? 1) || 0 };
}
