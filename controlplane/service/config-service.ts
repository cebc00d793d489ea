/** The configuration service: what `l7mp apply`, `get`, `wait` and every other client speak. */
import type * as m from '../../gen/messages.ts';
import type { Logger } from '../../common/log.ts';
import { readTraceContext } from '../../common/telemetry/trace-context.ts';
import { type Call, RpcError, type Service, STATUS } from '../core/rpc.ts';
import { LONGEST_LAG_MS } from '../live/committer.ts';
import { readChanges, readVersion, type VersionRecord } from '../live/history.ts';
import { LIVE, OBJECTS } from '../model/keys.ts';
import { idOf } from '../model/object.ts';
import { CONTROL_ACTIONS, type ControlAction, isUnderWay } from '../model/rollout-record.ts';
import { Access } from './access.ts';
import { listObjects, listProxies, listRollouts, objectOf } from './listing.ts';
import type { Model } from './model.ts';
import { pageSizeOf, positionOfToken, toToken } from './paging.ts';
import { type Wanted, wantedByApply, wantedByDelete, wantedByRollback } from './requests.ts';
import { beginRollout, newRolloutId, readPolicy, showRollout } from './rollout-request.ts';
import { MAX_RESPONSE_BYTES, showChanges, showObject } from './showing.ts';
import { waitApplied, watch } from './watching.ts';

const MAX_MESSAGE_CHARACTERS = 10_000;

export function createConfigService(model: Model, log: Logger): Service {
  const access = new Access(log);
  return {
    name: 'l7mp.admin.v1.ConfigService',
    methods: {
      Apply: async (request: m.ApplyRequest, call: Call): Promise<m.ApplyResponse> => {
        access.toChange(call, 'Apply');
        const policy = request.rollout && readPolicy(request.rollout);
        const work = { call, method: 'Apply', ...request, policy };
        return change(model, access, work, () => wantedByApply(request, model.mirror, model.check));
      },
      Delete: async (request: m.DeleteRequest, call: Call): Promise<m.DeleteResponse> => {
        access.toChange(call, 'Delete');
        const work = { call, method: 'Delete', ...request };
        const sourceOf = (id: string): string | undefined => model.get(id)?.source;
        return change(model, access, work, () => wantedByDelete(request, model.mirror, model.check, sourceOf));
      },
      Rollback: async (request: m.RollbackRequest, call: Call): Promise<m.RollbackResponse> => {
        access.toChange(call, 'Rollback');
        const { number, key } = request;
        const work = { call, method: 'Rollback', ...request };
        return change(model, access, work, () => wantedByRollback(number, key, model.store, model.mirror, model.check));
      },
      Get: (request: m.GetRequest, call: Call): Promise<m.GetResponse> => {
        access.toRead(call, 'Get');
        const { key } = request;
        if (key === undefined) throw new RpcError(STATUS.INVALID_ARGUMENT, 'key: expected an object, found nothing');
        const object = objectOf(model, key);
        return Promise.resolve({ object: showObject(object, model.statusOf(object)) });
      },
      List: (request: m.ListRequest, call: Call): Promise<m.ListResponse> => {
        access.toRead(call, 'List');
        return Promise.resolve(listObjects(model, request));
      },
      Watch: (request: m.WatchRequest, call: Call): AsyncIterable<m.WatchResponse> => {
        access.toRead(call, 'Watch');
        return watch(model, request, call);
      },
      WaitApplied: (request: m.WaitAppliedRequest, call: Call): AsyncIterable<m.WaitAppliedResponse> => {
        access.toRead(call, 'WaitApplied');
        return waitApplied(model, request, call);
      },
      ...history(model, access),
      ...rollouts(model, access),
      ListProxies: (request: m.ListProxiesRequest, call: Call): Promise<m.ListProxiesResponse> => {
        access.toRead(call, 'ListProxies');
        return Promise.resolve(listProxies(model, request));
      },
      ...backups(model, access),
    },
  };
}

/** A call that changes something, and what is common to all of them. */
interface Work {
  readonly call: Call;
  readonly method: string;
  readonly dry_run: boolean;
  readonly message: string;
  readonly policy?: ReturnType<typeof readPolicy> | undefined;
}

const NOTHING: Wanted = { changes: [], unchanged: [], dangling: new Map(), danglingElsewhere: [] };

async function change(
  model: Model,
  access: Access,
  { call, method, dry_run: dry, message, policy }: Work,
  wanted: () => Promise<Wanted>,
): Promise<m.ApplyResponse> {
  if (message.length > MAX_MESSAGE_CHARACTERS) {
    const text = `message: expected at most ${MAX_MESSAGE_CHARACTERS} characters, found ${message.length}`;
    throw new RpcError(STATUS.INVALID_ARGUMENT, text);
  }
  let result = NOTHING;
  /** The rollouts that have ended by this, by the objects that they were to change. */
  let superseded = new Map<string, string>();
  const show = (contents: boolean): m.Change[] =>
    [
      ...showChanges(result.changes, contents),
      ...result.unchanged.map(({ key }): m.Change => ({ key, action: 'unchanged', warnings: [] })),
    ].map((each) => {
      const id = idOf(each.key ?? { kind: '', name: '' });
      const ended = superseded.get(id);
      const warnings = [...(result.dangling.get(id)?.warnings ?? []), ...(ended === undefined ? [] : [endedBy(ended)])];
      return { ...each, warnings };
    });
  if (dry) {
    result = await wanted();
    const { danglingElsewhere: warnings } = result;
    return { revision: model.mirror.revision, version: 0, changes: show(true), rollout: '', warnings };
  }
  const author = call.identity.name;
  const rollout = policy ? newRolloutId() : '';
  // A client that is gone doesn't stop what it began.
  const commit = model.committer.commit(async () => {
    result = NOTHING;
    result = await wanted();
    const { changes, unchanged } = result;
    const plan = { changes, author, message, trace: readTraceContext(call.metadata) };
    // Who asks for what is there already wants no other: a rollout would bring one.
    const ids = new Set([...changes, ...unchanged].map(({ key }) => idOf(key)));
    const ended = model.supersede(ids, `${author} changed the same objects`);
    superseded = ended.length === 0 ? new Map<string, string>() : rolloutsOf(model, ids);
    if (policy === undefined || changes.length === 0) return { ...plan, more: ended };
    const begun = beginRollout({ id: rollout, policy, author, message }, changes, model.mirror.rollouts.values());
    return { ...plan, changes: [], more: [...ended, ...begun] };
  }, new AbortController().signal);
  const done = await commit.catch((error: unknown) => {
    const objects = result.changes.length;
    if (objects > 0) access.failed(call, method, { rollout, objects, message }, error);
    throw error;
  });
  const count = result.changes.length;
  if (count > 0) access.changed(call, method, { version: done.version, rollout, objects: count, message });
  return { ...done, changes: show(false), rollout: count > 0 ? rollout : '', warnings: result.danglingElsewhere };
}

/** The rollouts under way that change objects, by object. */
function rolloutsOf(model: Model, ids: ReadonlySet<string>): Map<string, string> {
  const found = new Map<string, string>();
  for (const id of ids) {
    const rollout = model.rolloutOf(id);
    if (rollout) found.set(id, rollout.id);
  }
  return found;
}

function endedBy(rollout: string): m.Fault {
  return { path: '', expected: 'no rollout that changes it', found: `rollout ${rollout}, which has ended: superseded` };
}

/** Versions of a page, and those that are read for it at most: few of them may be what is asked for. */
const VERSIONS = { absent: 50, most: 500, read: 500 };

function history(model: Model, access: Access): Service['methods'] {
  const show = (version: VersionRecord, changes: readonly m.Change[]): m.Version => {
    const { number, time, author, message, rollout } = version;
    return { number, time, author, message, changes, rollout };
  };
  const brief = async (version: VersionRecord): Promise<m.Version> => {
    const changes = version.changes ?? (await readChanges(model.store, version));
    return show(
      version,
      changes.map(({ key, action }) => ({ key, action, warnings: [] })),
    );
  };
  return {
    ListVersions: async (request: m.ListVersionsRequest, call: Call): Promise<m.ListVersionsResponse> => {
      access.toRead(call, 'ListVersions');
      const { key, before } = request;
      const most = pageSizeOf(request, VERSIONS);
      const [token = '0'] = positionOfToken(request, 1) ?? [];
      const ends = [before, Number(token)].filter((each) => each > 0).map((each) => each - 1);
      const versions: m.Version[] = [];
      let next = Math.min(model.mirror.head.number, ...ends);
      const bottom = next - VERSIONS.read;
      for (let bytes = 0; next > 0 && next > bottom && versions.length < most; next--) {
        const version = await readVersion(model.store, next);
        if (version === undefined) return { versions, next_page_token: '' }; // older ones are gone, too
        const shown = await brief(version);
        if (key && !shown.changes.some((each) => each.key && idOf(each.key) === idOf(key))) continue;
        bytes += Buffer.byteLength(JSON.stringify(shown));
        if (bytes > MAX_RESPONSE_BYTES && versions.length > 0) break;
        versions.push(shown);
      }
      return { versions, next_page_token: next > 0 ? toToken([`${next + 1}`]) : '' };
    },
    GetVersion: async ({ number }: m.GetVersionRequest, call: Call): Promise<m.GetVersionResponse> => {
      access.toRead(call, 'GetVersion');
      const version = number > 0 ? await readVersion(model.store, number) : undefined;
      if (version === undefined) {
        const message = `expected a version that is in the history, found ${number}`;
        throw new RpcError(STATUS.NOT_FOUND, message);
      }
      return { version: show(version, showChanges(await readChanges(model.store, version), true)) };
    },
  };
}

function rollouts(model: Model, access: Access): Service['methods'] {
  return {
    ListRollouts: (request: m.ListRolloutsRequest, call: Call): Promise<m.ListRolloutsResponse> => {
      access.toRead(call, 'ListRollouts');
      return Promise.resolve(listRollouts(model, request));
    },
    ControlRollout: async (request: m.ControlRolloutRequest, call: Call): Promise<m.ControlRolloutResponse> => {
      access.toChange(call, 'ControlRollout');
      const { id, action } = request;
      const find = () => {
        const found = model.mirror.rollouts.get(id);
        if (found === undefined) throw new RpcError(STATUS.NOT_FOUND, `expected a rollout, found no "${id}"`);
        return found;
      };
      if (!(CONTROL_ACTIONS as readonly string[]).includes(action)) {
        const message = `action: expected one of ${CONTROL_ACTIONS.join(', ')}, found ${JSON.stringify(action)}`;
        throw new RpcError(STATUS.INVALID_ARGUMENT, message);
      }
      const ended = (): RpcError => {
        const message = `expected a rollout that is under way, found "${id}" ${find().state}`;
        return new RpcError(STATUS.FAILED_PRECONDITION, message);
      };
      if (!isUnderWay(find())) throw ended();
      // It may have ended while this waited for its turn.
      const control = model.rollouts.control(id, action as ControlAction, call.identity.name);
      const done = await control.catch((error: unknown) => {
        access.failed(call, 'ControlRollout', { rollout: id, action }, error);
        throw error;
      });
      if (!done) throw ended();
      access.changed(call, 'ControlRollout', { rollout: id, action });
      return { rollout: showRollout(model.rollouts.stateOf(find())) };
    },
  };
}

function backups(model: Model, access: Access): Service['methods'] {
  return {
    Backup: (_request: m.BackupRequest, call: Call): AsyncIterable<m.BackupResponse> => {
      access.toBackUp(call, 'Backup');
      access.exported(call, 'Backup');
      return piecesOf((write) => model.backup(model.store, write), call.signal);
    },
    Restore: async (requests: AsyncIterable<m.RestoreRequest>, call: Call): Promise<m.RestoreResponse> => {
      access.toChange(call, 'Restore');
      async function* pieces(): AsyncIterable<Buffer> {
        for await (const { data } of requests) yield data;
      }
      const { keys, revision } = await model.restore(model.store, pieces()).catch((error: unknown) => {
        access.failed(call, 'Restore', {}, error);
        throw error;
      });
      const objects = keys.filter((key) => key.startsWith(OBJECTS)).length;
      access.changed(call, 'Restore', { revision, objects, entries: keys.length });
      // It is made, and comes to be seen, whatever becomes of the caller.
      const patience = AbortSignal.any([call.signal, AbortSignal.timeout(LONGEST_LAG_MS)]);
      const isSeen = keys.some((key) => key.startsWith(LIVE))
        ? model.mirror.reached(revision, patience)
        : model.mirror.emptied(revision, patience);
      await isSeen.catch(() => undefined);
      return { revision, objects };
    },
  };
}

/** What is written, as a stream: the writer waits until each piece was taken. */
async function* piecesOf(
  produce: (write: (data: Buffer) => Promise<void>) => Promise<void>,
  signal: AbortSignal,
): AsyncIterable<m.BackupResponse> {
  const { readable, writable } = new TransformStream<Buffer, Buffer>();
  const writer = writable.getWriter();
  const done = produce((data) => writer.write(data)).then(
    () => writer.close(),
    (error: unknown) => writer.abort(error),
  );
  done.catch(() => undefined); // who has gone is told nothing
  for await (const data of readable) {
    signal.throwIfAborted();
    yield { data };
  }
  await done;
}
