/** Tells the control plane how its resources fare: first all, then what changed; and what sessions do, where it asks. */
import type { ReportResponse, ResourceReport } from '../../gen/messages.ts';
import { LIST_OF } from '../../config/kinds.ts';
import { LiveReporter } from './live-reports.ts';
import type { Inventory } from './inventory.ts';
import type { Call, Transport } from './transport.ts';
import type { Held, XdsDependencies } from './types.ts';

type Report = Pick<ResourceReport, 'state' | 'reason' | 'version'>;

/** How long changes are collected, in ms. */
const COLLECT = 20;
/** A message stays below the 4 MB that servers take. */
const MOST_REPORTS = 5000;

export class Reporter {
  private readonly node: string;
  private readonly inventory: Inventory;
  private readonly dependencies: XdsDependencies;
  private call: Call | undefined;
  /** What was sent on this stream, by type and name. */
  private sent = new Map<string, ResourceReport>();
  private isFirst = true;
  /** A message is on its way: the next one waits, so that a slow server costs no memory. */
  private isBusy = false;
  private timer: NodeJS.Timeout | undefined;
  private live: LiveReporter | undefined;

  constructor(node: string, inventory: Inventory, dependencies: XdsDependencies) {
    this.node = node;
    this.inventory = inventory;
    this.dependencies = dependencies;
  }

  /** Opens the stream beside a discovery stream. A control plane without the service is fine. */
  open(transport: Transport): void {
    this.close();
    this.sent = new Map();
    this.isFirst = true;
    this.isBusy = false;
    const call = transport.open('l7mp.admin.v1.ReportService', 'Report', {
      message: (message) => {
        if (this.call === call) this.live?.take(message as ReportResponse);
      },
      end: ({ code, details }) => {
        if (this.call !== call) return;
        this.call = undefined;
        this.live?.close();
        if (code === 'OK' || code === 'UNIMPLEMENTED') return;
        this.dependencies.log.debug({ code, details }, 'the control plane takes no more reports');
      },
    });
    this.call = call;
    const { live } = this.dependencies;
    this.live = live && new LiveReporter(live, (message, sent) => call.send(message, sent));
    this.changed();
  }

  /** Something may be another: told soon. */
  changed(): void {
    if (this.call) this.timer ??= setTimeout(() => this.tell(), COLLECT).unref();
  }

  close(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.live?.close();
    this.call?.cancel();
    this.call = undefined;
  }

  private tell(): void {
    this.timer = undefined;
    const { call } = this;
    if (call === undefined || this.isBusy) return;
    const changes = this.changes();
    if (changes.length === 0 && !this.isFirst) return;
    const resources = changes.slice(0, MOST_REPORTS);
    for (const report of resources) {
      const key = `${report.type_url} ${report.name}`;
      if (report.state === 'removed') this.sent.delete(key);
      else this.sent.set(key, report);
    }
    const message = this.isFirst ? { node: this.node, resources } : { resources };
    this.isFirst = false;
    this.isBusy = true;
    call.send(message, () => {
      if (this.call !== call) return;
      this.isBusy = false;
      this.changed();
    });
  }

  private changes(): ResourceReport[] {
    const { codec } = this.dependencies;
    const changes: ResourceReport[] = [];
    const gone = new Map(this.sent);
    for (const held of this.inventory.all()) {
      const type_url = codec.typeUrlOf(held.kind);
      const key = `${type_url} ${held.name}`;
      gone.delete(key);
      const report = { type_url, name: held.name, ...this.reportOf(held) };
      const before = this.sent.get(key);
      const same =
        before?.state === report.state && before.reason === report.reason && before.version === report.version;
      if (!same) changes.push(report);
    }
    for (const report of gone.values()) changes.push({ ...report, state: 'removed', reason: '' });
    return changes;
  }

  private reportOf({ kind, name, version, content }: Held): Report {
    const { sink, servingOf } = this.dependencies;
    const { snapshot } = sink;
    const report = (state: string, reason = ''): Report => ({ state, reason, version });
    if ('assignment' in content) {
      const isLive = snapshot.handedOut.assignments.get(name) === content.assignment;
      return report(isLive ? 'serving' : 'accepted');
    }
    if ('secret' in content) {
      return report(snapshot.handedOut.secrets.get(name) === content.secret ? 'serving' : 'accepted');
    }
    if (kind === 'ClusterLoadAssignment' || kind === 'Secret') return report('accepted');
    const list = LIST_OF[kind];
    const object = snapshot[list].get(name);
    if (object?.source === 'local') {
      return report('failed', `the proxy's own configuration has an object of this name in ${list}, which comes first`);
    }
    if (object === undefined || object !== content.objects[list].get(name)) return report('accepted');
    const { state, reason } = servingOf(kind, name) ?? { state: 'warming' };
    return report(state === 'warming' || state === 'degraded' ? 'accepted' : state, reason);
  }
}
