/** `l7mp explain`: what became of a session, and why. */
import { type ApiOptions, type ApiSession, type ApiStage, get } from './api.ts';
import { ApiError, UsageError } from './exit.ts';
import { duration, size } from './sessions.ts';

export async function explain(name: string, options: ApiOptions): Promise<void> {
  if (name === '') throw new UsageError("expected a session's name, or KIND/NAME, found nothing");
  const session = await get<ApiSession>(options, `/api/v1/sessions/${encodeURIComponent(name)}`).catch(
    (error: unknown) => {
      if (!(error instanceof ApiError && error.message.endsWith(': Not Found'))) throw error;
      throw new ApiError(
        `expected a session (l7mp sessions), or KIND/NAME of the control plane, found ${JSON.stringify(name)}`,
      );
    },
  );
  if (options.json) console.log(JSON.stringify(session, null, 2));
  else console.log(describe(session));
}

/** As lines of text. */
export function describe(session: ApiSession): string {
  const { name, status, source, destination, ingress, egress, rulelist, rule, route, retries, reason, events } =
    session;
  const ended = session.ended_at ?? Date.now();
  const lines = [
    `session    ${name}`,
    `status     ${status}${reason === undefined ? '' : ` (${reason})`}, ${duration(ended - session.started_at)}`,
    `listener   ${source.origin}`,
    rule === undefined
      ? 'rule       none matched'
      : `rule       ${rule}, the first of ${rulelist ?? ''} that matches; it names route ${route ?? ''}`,
    ...ingress.map((stage) => `ingress    ${stageText(stage)}`),
    `to         ${destination === undefined ? 'nowhere' : stageText(destination)}`,
    ...egress.map((stage) => `egress     ${stageText(stage)}`),
    ...(['ingress', 'egress'] as const).map((direction) => {
      const { bytes, packets, dropped } = session.counters[direction];
      const lost = dropped === 0 ? '' : `, ${dropped} dropped`;
      return `${direction === 'ingress' ? 'from' : 'to  '} client ${size(bytes)} in ${packets} chunks${lost}`;
    }),
    `packets    ${offloadText(session)}`,
    ...(retries === 0 ? [] : [`retries    ${retries}`]),
    'timeline',
    ...events.map(({ event, timestamp, message, content }) => {
      const offset = `+${Date.parse(timestamp) - session.started_at} ms`.padStart(10);
      return `${offset}  ${event}: ${message}${content === undefined || content === '' ? '' : ` (${JSON.stringify(content)})`}`;
    }),
  ];
  return lines.join('\n');
}

/** Which way they take. */
function offloadText({ offload: { state, reason, traffic } }: ApiSession): string {
  const { ingress, egress } = traffic ?? {};
  const relayed = (ingress?.packets ?? 0) + (egress?.packets ?? 0);
  const past = relayed === 0 ? '' : `; the kernel has relayed ${relayed}`;
  return state === 'kernel' ? `pass the kernel alone${past}` : `pass user space: ${reason ?? ''}${past}`;
}

function stageText({ origin, endpoint, status, attempts }: ApiStage): string {
  const { name, spec } = endpoint ?? {};
  const where =
    spec === undefined
      ? ''
      : `, endpoint ${name ?? ''} at ${spec.address}${spec.port === undefined ? '' : `:${spec.port}`}`;
  return `cluster ${origin}${where}: ${status}${attempts > 1 ? ` after ${attempts} attempts` : ''}`;
}
