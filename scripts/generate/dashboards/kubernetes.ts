/** The dashboard of what the control plane does with Kubernetes. */
import { INSTANCE, instanceFilters, makeDashboard, quantiles, series, stat } from './panels.ts';

const rate = (metric: string): string => `rate(${metric}{${INSTANCE}}[$__rate_interval])`;
const REPLICAS = 'l7mp_kubernetes_watch_connected';

export const kubernetesDashboard = (): string =>
  makeDashboard({
    uid: 'l7mp-kubernetes',
    title: 'l7mp / Kubernetes',
    description: 'What the control plane watches, and the work that it does with it.',
    filters: instanceFilters(REPLICAS),
    rows: [
      {
        title: 'Overview',
        panels: [
          stat('Kinds', { unit: 'short', description: 'That are watched: those that the API server has.' }, [
            `count(count by (kind) (l7mp_kubernetes_watch_connected{${INSTANCE}}))`,
            '',
          ]),
          stat('Watches that are down', { unit: 'short', bad: 1 }, [
            `count(l7mp_kubernetes_watch_connected{${INSTANCE}} == 0) or vector(0)`,
            '',
          ]),
          stat('Objects', { unit: 'short' }, [`sum(max by (kind) (l7mp_kubernetes_objects{${INSTANCE}}))`, '']),
        ],
      },
      {
        title: 'Watches',
        panels: [
          series('Objects by kind', { unit: 'short' }, [
            `max by (kind) (l7mp_kubernetes_objects{${INSTANCE}})`,
            '{{kind}}',
          ]),
          series(
            'Watches that were begun again',
            { unit: 'cps', description: 'The API server ends each every five to ten minutes.' },
            [`sum by (kind) (${rate('l7mp_kubernetes_watch_restarts_total')})`, '{{kind}}'],
          ),
          series('Lists and watches that failed', { unit: 'cps' }, [
            `sum by (kind) (${rate('l7mp_kubernetes_watch_failures_total')})`,
            '{{kind}}',
          ]),
          series('Full lists', { unit: 'cps', description: 'At the start, and where a version is too old.' }, [
            `sum by (kind) (${rate('l7mp_kubernetes_lists_total')})`,
            '{{kind}}',
          ]),
        ],
      },
      {
        title: 'Work',
        panels: [
          series('Work that waits', { unit: 'short' }, [
            `sum by (queue) (l7mp_kubernetes_queue_depth{${INSTANCE}})`,
            '{{queue}}',
          ]),
          series(
            'Time that work takes',
            { unit: 's' },
            ...quantiles('l7mp_kubernetes_reconcile_duration_seconds', INSTANCE, ['queue']),
          ),
          series('Work done', { unit: 'cps' }, [
            `sum by (queue) (${rate('l7mp_kubernetes_reconcile_duration_seconds_count')})`,
            '{{queue}}',
          ]),
          series('Work that failed', { unit: 'cps', description: 'It is tried again.' }, [
            `sum by (queue) (${rate('l7mp_kubernetes_reconcile_failures_total')})`,
            '{{queue}}',
          ]),
        ],
      },
    ],
  });
