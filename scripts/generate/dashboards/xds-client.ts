/** The dashboard of proxies as clients of a control plane. */
import { makeDashboard, series, stat } from './panels.ts';

const PROXY = 'namespace=~"$namespace",job=~"$job",instance=~"$instance"';
const CLIENTS = 'l7mp_xds_client_connected';

export const xdsClientDashboard = (): string =>
  makeDashboard({
    uid: 'l7mp-xds-client',
    title: 'l7mp / xDS client',
    description: 'How proxies get their configuration from a control plane.',
    filters: [
      { name: 'namespace', from: CLIENTS },
      { name: 'job', from: CLIENTS },
      { name: 'instance', from: CLIENTS },
    ],
    rows: [
      {
        title: 'Overview',
        panels: [
          stat('Proxies', { unit: 'short' }, [`count(l7mp_xds_client_connected{${PROXY}})`, '']),
          stat('Connected', { unit: 'percentunit', good: 1 }, [`avg(l7mp_xds_client_connected{${PROXY}})`, '']),
          stat('Refused in the last hour', { unit: 'short', bad: 1 }, [
            `sum(increase(l7mp_xds_client_responses_total{${PROXY},result="nack"}[1h]))`,
            '',
          ]),
        ],
      },
      {
        title: 'Proxies',
        panels: [
          series('Connected', { unit: 'bool_yes_no' }, [`l7mp_xds_client_connected{${PROXY}}`, '{{instance}}']),
          series('Connections made', { unit: 'cps', description: 'More than a few: connections do not last.' }, [
            `rate(l7mp_xds_client_connects_total{${PROXY}}[$__rate_interval])`,
            '{{instance}}',
          ]),
          series('Responses by type', { unit: 'cps' }, [
            `sum by (type, result) (rate(l7mp_xds_client_responses_total{${PROXY}}[$__rate_interval]))`,
            '{{type}} {{result}}',
          ]),
          series('Refused responses by proxy', { unit: 'cps', description: 'In whole or part.' }, [
            `sum by (instance, type) (rate(l7mp_xds_client_responses_total{${PROXY},result="nack"}[$__rate_interval]))`,
            '{{instance}} {{type}}',
          ]),
          series('Resources by type', { unit: 'short', description: 'That proxies hold: the most of any.' }, [
            `max by (type) (l7mp_xds_client_resources{${PROXY}})`,
            '{{type}}',
          ]),
        ],
      },
    ],
  });
