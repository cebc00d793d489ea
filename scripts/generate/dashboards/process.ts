/** What all processes of ours have. */
import { type Row, series } from './panels.ts';

export function processRow(selector: string): Row {
  return {
    title: 'Process',
    panels: [
      series(
        'Event loop delay',
        { unit: 's', description: 'How late the event loop comes round: all sessions of the process wait so long.' },
        [`nodejs_eventloop_delay_p50_seconds{${selector}}`, '{{instance}} p50'],
        [`nodejs_eventloop_delay_p99_seconds{${selector}}`, '{{instance}} p99'],
        [`nodejs_eventloop_delay_max_seconds{${selector}}`, '{{instance}} max'],
      ),
      series('CPU', { unit: 'percentunit', description: 'Of one processor.' }, [
        `rate(process_cpu_time_seconds_total{${selector}}[$__rate_interval])`,
        '{{instance}} {{cpu_mode}}',
      ]),
      series('Memory', { unit: 'bytes', description: 'Resident.' }, [
        `process_memory_usage_bytes{${selector}}`,
        '{{instance}}',
      ]),
      series(
        'Open descriptors',
        { unit: 'short' },
        [`process_open_file_descriptors{${selector}}`, '{{instance}}'],
        [`process_open_file_descriptor_limit{${selector}}`, '{{instance}} limit'],
      ),
      series(
        'Lines of the log that were lost',
        { unit: 'cps', description: 'The disk is full, or too slow: the process says on stderr which.' },
        [`rate(l7mp_log_lines_lost_total{${selector}}[$__rate_interval])`, '{{instance}}'],
      ),
      series('Uptime', { unit: 's', description: 'It falls to 0 when the process starts again.' }, [
        `process_uptime_seconds{${selector}}`,
        '{{instance}}',
      ]),
    ],
  };
}
