/** The files of the proxy's logs are looked at before it starts. */
import type { Admin } from '../gen/l7mp/config/v1/types.ts';
import { type Fault, FaultsError, ProxyError } from '../common/errors.ts';
import { checkTarget } from '../common/line-writer.ts';

/** @throws FaultsError where a log's file can't be opened: afterwards, what fails is told, and costs lines only. */
export function checkLogFiles({ log_file, access_log_path }: Admin, ownLog: boolean, exportsLogs: boolean): void {
  const faults: Fault[] = [];
  if (access_log_path === 'otlp' && !exportsLogs) {
    const expected = 'an endpoint for logs in OTEL_EXPORTER_OTLP_ENDPOINT, or otlp in OTEL_LOGS_EXPORTER';
    faults.push({ path: 'admin.access_log_path', expected, found: 'otlp, and neither' });
  }
  for (const [field, target] of Object.entries({ ...(ownLog && { log_file }), access_log_path })) {
    try {
      if (target && (target !== 'otlp' || field === 'log_file')) checkTarget(target);
    } catch (error) {
      const { code, message } = ProxyError.from(error);
      faults.push({ path: `admin.${field}`, expected: 'a file that can be written to', found: message, code });
    }
  }
  if (faults.length > 0) throw new FaultsError(faults);
}
