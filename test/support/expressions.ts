/** What PromQL expressions of rules and dashboards name. */

/** Names of metrics that we export; those of recording rules have colons. */
export const metricsOf = (expr: string): string[] => [
  ...new Set(
    Array.from(
      expr.matchAll(/(?<![\w:])(?:l7mp|http_server|http_client|otel_sdk|process|nodejs|target)_\w+(?![\w:])/gu),
      ([name]) => name,
    ),
  ),
];

/** Labels that are compared, grouped or matched by. */
export function labelsOf(expr: string): string[] {
  const compared = Array.from(expr.matchAll(/\{([^}]*)\}/gu), ([, inside = '']) =>
    Array.from(inside.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/gu), ([, label = '']) => label),
  );
  const grouped = Array.from(
    expr.matchAll(/\b(?:by|without|on|ignoring|group_left|group_right) *\(([^)]*)\)/gu),
    ([, inside = '']) => inside.split(',').map((label) => label.trim()),
  );
  return [...new Set([...compared, ...grouped].flat())].filter((label) => label !== '');
}

/** An expression of a dashboard with its variables set: all of everything, and rates over ten seconds. */
export const withVariables = (expr: string): string =>
  expr.replaceAll('$__rate_interval', '10s').replace(/\$\w+/gu, '.*');

/** As docs/observability.md has it, of a series of a histogram, too. */
export const baseOf = (metric: string): string => metric.replace(/_(?:bucket|count|sum)$/u, '');
