/** Why pods of a Gateway don't come or don't start, as Kubernetes says it. Pure. */
import type { Pod } from '../api/core-kinds.ts';
import type { KubeObject } from '../api/object.ts';

/** Pods of one template mostly fail alike. */
const MAX_TROUBLES = 2;
/** Messages of runtimes may have pages; in characters. */
const MAX_LENGTH = 200;
/** What each pod goes through. */
const USUAL: readonly (string | undefined)[] = ['ContainerCreating', 'PodInitializing'];

interface WorkloadStatus {
  readonly conditions?: readonly { type: string; status: string; reason?: string; message?: string }[];
}

/** As in `FailedCreate: pods "web-" is forbidden: …; ImagePullBackOff: …`; undefined where nothing is known. */
export function troublesOf(workloads: Iterable<KubeObject>, pods: Iterable<Pod>): string | undefined {
  const found = new Set([...[...workloads].flatMap(ofWorkload), ...[...pods].flatMap(ofPod)]);
  return found.size === 0 ? undefined : [...found].slice(0, MAX_TROUBLES).join('; ');
}

/** What made no pods (apps/v1 Deployment; a DaemonSet tells it in events alone). */
function ofWorkload({ status }: KubeObject): string[] {
  const { conditions = [] } = (status ?? {}) as WorkloadStatus;
  return conditions
    .filter((each) => each.type === 'ReplicaFailure' && each.status === 'True')
    .map(({ reason, message }) => textOf(reason, message));
}

function ofPod({ metadata, status }: Pod): string[] {
  if (metadata.deletionTimestamp !== undefined) return [];
  const { conditions = [], containerStatuses = [] } = status ?? {};
  const unscheduled = conditions.filter((each) => each.type === 'PodScheduled' && each.status === 'False');
  return [
    ...unscheduled.map(({ reason, message }) => textOf(reason, message)),
    ...containerStatuses.flatMap(({ state, lastState }) => {
      const { waiting } = state ?? {};
      if (!waiting || USUAL.includes(waiting.reason)) return [];
      const { exitCode, reason } = lastState?.terminated ?? {};
      // The message counts how long it waits, and would be another one each time.
      if (exitCode === undefined) return [textOf(waiting.reason, waiting.message)];
      return [textOf(waiting.reason, `${reason ?? 'Error'}, exit code ${exitCode}: see the log of the pod`)];
    }),
  ];
}

function textOf(reason = 'Pending', message = ''): string {
  const text = message === '' ? reason : `${reason}: ${message}`;
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text;
}
