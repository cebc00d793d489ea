/** Who asked the API server for what, by its audit log (audit.k8s.io/v1). */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

interface AuditEvent {
  readonly auditID: string;
  readonly verb: string;
  readonly requestURI: string;
  readonly requestReceivedTimestamp: string;
}

/** What the API server asks itself is left out, and the changes that the benchmark makes. */
const POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'None', users: ['system:apiserver'] },
    {
      level: 'None',
      verbs: ['create', 'patch'],
      resources: [{ group: 'discovery.k8s.io', resources: ['endpointslices'] }],
    },
    { level: 'Metadata' },
  ],
};

export class Audit {
  /** Flags of the API server. */
  readonly flags: readonly string[];
  private readonly log: string;

  constructor(directory: string) {
    const policy = join(directory, 'audit-policy.json');
    this.log = join(directory, 'audit.log');
    writeFileSync(policy, JSON.stringify(POLICY));
    writeFileSync(this.log, '');
    this.flags = [`--audit-log-path=${this.log}`, `--audit-policy-file=${policy}`];
  }

  /** Requests that have come since then, in ms since the epoch, as in `patch /api/v1/…`. */
  since(start: number): string[] {
    const found = new Map<string, string>();
    for (const line of readFileSync(this.log, 'utf8').split('\n')) {
      if (!line.endsWith('}')) continue;
      const { auditID, verb, requestURI, requestReceivedTimestamp } = JSON.parse(line) as AuditEvent;
      if (Date.parse(requestReceivedTimestamp) >= start) found.set(auditID, `${verb} ${requestURI}`);
    }
    return [...found.values()];
  }
}
