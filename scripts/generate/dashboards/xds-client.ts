/** The dashboard of proxies as clients of a control plane. */
import { INSTANCE, instanceFilters, makeDashboard, series, stat } from './panels.ts';

const CLIENTS = 'l7mp_xds_client_connected';

export const xdsClientDashboard = (): string =>
  makeDashboard({
    uid: 'l7mp-xds-client',
    title: 'l7mp / xDS client',
    description: 'How proxies get their configuration from a control plane.',
    filters: instanceFilters(CLIENTS),
    rows: [
      {
        title: 'Overview',
        panels: [
          stat('Proxies', { unit: 'short' }, [`count(l7mp_xds_client_connected{${INSTANCE}})`, '']),
          stat('Connected', { unit: 'percentunit', good: 1 }, [`avg(l7mp_xds_client_connected{${INSTANCE}})`, '']),
          stat('Refused in the last hour', { unit: 'short', bad: 1 }, [
            `sum(increase(l7mp_xds_client_responses_total{${INSTANCE},result="nack"}[1h]))`,
            '',
          ]),
        ],
      },
      {
        title: 'Proxies',
        panels: [
          series('Connected', { unit: 'bool_yes_no' }, [`l7mp_xds_client_connected{${INSTANCE}}`, '{{instance}}']),
          series('Connections made', { unit: 'cps', description: 'More than a few: connections do not last.' }, [
            `rate(l7mp_xds_client_connects_total{${INSTANCE}}[$__rate_interval])`,
            '{{instance}}',
          ]),
          series('Responses by type', { unit: 'cps' }, [
            `sum by (type, result) (rate(l7mp_xds_client_responses_total{${INSTANCE}}[$__rate_interval]))`,
            '{{type}} {{result}}',
          ]),
          series('Refused responses by proxy', { unit: 'cps', description: 'In whole or part.' }, [
            `sum by (instance, type) (rate(l7mp_xds_client_responses_total{${INSTANCE},result="nack"}[$__rate_interval]))`,
            '{{instance}} {{type}}',
          ]),
          series('Resources by type', { unit: 'short', description: 'That proxies hold: the most of any.' }, [
            `max by (type) (l7mp_xds_client_resources{${INSTANCE}})`,
            '{{type}}',
          ]),
        ],
      },
    ],
  });
