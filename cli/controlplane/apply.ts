/** `l7mp apply`, `l7mp delete` and `l7mp diff`: change what the control plane holds, or say what would change. */
import type { ObjectContent } from '../../controlplane/model/object.ts';
import type { ApplyRequest, ApplyResponse, DeleteResponse, ObjectFaults, RolloutPolicy } from '../../gen/messages.ts';
import { EXIT, FilesError, UsageError } from '../exit.ts';
import { type ControlPlane, type ServerOptions, withControlPlane } from './client.ts';
import { difference } from './difference.ts';
import { FaultyRequest, formatObjectFault } from './errors.ts';
import { toJson } from '../../controlplane/model/object-text.ts';
import { formatKey, KINDS, parseKeys } from './kinds.ts';
import { type FileObject, readManifests, readRaw } from './manifest.ts';
import { followRollout } from './rollout.ts';
import { waitFor } from './wait.ts';

interface FileOptions extends ServerOptions {
  readonly file?: readonly string[];
  readonly raw?: readonly string[];
  readonly replace?: true;
  readonly prune?: true;
}

export interface ApplyOptions extends FileOptions {
  readonly dryRun?: true;
  readonly message?: string;
  readonly rollout?: readonly number[];
  /** In ms. */
  readonly pause?: number;
  readonly maxFailures?: number;
  readonly manual?: true;
  readonly wait?: true;
  /** In ms. */
  readonly timeout: number;
}

export async function apply(options: ApplyOptions): Promise<void> {
  const rollout = rolloutOf(options);
  const { objects, request } = await requestOf(options);
  await withControlPlane(options, async (controlPlane) => {
    const answer = await send(controlPlane, objects, {
      ...request,
      dry_run: options.dryRun ?? false,
      message: options.message ?? '',
      ...(rollout && { rollout }),
    });
    if (options.json) console.log(JSON.stringify(toJson(answer), null, 2));
    else await printChanges(answer, objects, options.dryRun);
    if (!options.wait || options.dryRun) return;
    if (answer.rollout !== '') await followRollout(controlPlane, answer.rollout, options.timeout);
    else {
      const keys = answer.changes.filter(({ action }) => action !== 'deleted').map(({ key }) => key);
      await waitFor(controlPlane, { keys, revision: answer.revision }, options.timeout);
    }
  });
}

function rolloutOf({ rollout, pause, maxFailures, manual }: ApplyOptions): RolloutPolicy | undefined {
  if (rollout !== undefined) {
    return {
      percent: rollout,
      max_failures: maxFailures ?? 0,
      manual: manual ?? false,
      ...(pause !== undefined && { pause }),
    };
  }
  const others = [
    pause !== undefined && '--pause',
    maxFailures !== undefined && '--max-failures',
    manual && '--manual',
  ];
  const wrong = others.filter((option) => typeof option === 'string');
  if (wrong.length > 0) throw new UsageError(`expected --rollout beside ${wrong.join(', ')}, found none`);
  return undefined;
}

type FileRequest = Pick<ApplyRequest, 'replace_kinds'> & { readonly objects: readonly ObjectContent[] };

/** What the files say. @throws UsageError, FilesError */
async function requestOf(options: FileOptions): Promise<{ objects: readonly FileObject[]; request: FileRequest }> {
  const { file = [], raw = [], prune, replace } = options;
  if (file.length + raw.length === 0) throw new UsageError('expected -f FILE or --raw FILE, found neither');
  if (replace && raw.length === 0) throw new UsageError('expected --raw beside --replace, found none');
  if (prune && file.length === 0) throw new UsageError('expected -f beside --prune, found none');
  const rawObjects = await readRaw(raw);
  const objects = [...(await readManifests(file)), ...rawObjects];
  // An empty file is a mistake sooner than the wish to delete everything.
  if (objects.length === 0) throw new UsageError('expected objects in the files, found none');
  const kinds = [
    ...(prune ? KINDS.map(({ kind }) => kind) : []),
    ...(replace ? rawObjects.map(({ content }) => content.key.kind) : []),
  ];
  const contents = objects.map(({ content }) => content);
  return { objects, request: { objects: contents, replace_kinds: [...new Set(kinds)] } };
}

/** @throws FilesError with the places of all faults */
async function send(
  controlPlane: ControlPlane,
  objects: readonly FileObject[],
  request: object,
): Promise<ApplyResponse> {
  try {
    return await controlPlane.call<ApplyResponse>('Apply', request);
  } catch (error) {
    if (!(error instanceof FaultyRequest) || error.objects.length === 0) throw error;
    const lines = await Promise.all(error.objects.map((each) => placed(objects, each)));
    const [more] = /^and \d+ more$/mu.exec(error.message) ?? [];
    throw new FilesError([...lines.flat(), ...(more === undefined ? [] : [more])]);
  }
}

async function placed(objects: readonly FileObject[], { key, faults }: ObjectFaults): Promise<readonly string[]> {
  const object = objects.find(({ content }) => formatKey(content.key) === formatKey(key));
  return object?.formatFaults(faults) ?? faults.map((fault) => formatObjectFault(key, fault));
}

/** `Listener/web created`; what may be wrong goes to stderr. */
async function printChanges(
  answer: Pick<ApplyResponse, 'changes' | 'warnings'>,
  objects: readonly FileObject[],
  dryRun: boolean | undefined,
): Promise<void> {
  for (const { key, action } of answer.changes) {
    console.log(`${formatKey(key)} ${action}${dryRun ? ' (dry run)' : ''}`);
  }
  await printWarnings(answer, objects);
}

/** What may be wrong with objects by a change, on stderr: with the line of those that are in a file. */
export async function printWarnings(
  { changes, warnings: others }: Pick<ApplyResponse, 'changes' | 'warnings'>,
  objects: readonly FileObject[] = [],
): Promise<void> {
  const byKey = new Map(objects.map((object) => [formatKey(object.content.key), object]));
  for (const { key, warnings } of [...changes, ...others]) {
    if (warnings.length === 0) continue;
    const object = byKey.get(formatKey(key));
    const lines = object
      ? (await object.formatFaults(warnings)).map((line) => line.replace(/:(\d+): /u, ':$1: warning: '))
      : warnings.map((warning) => `warning: ${formatObjectFault(key, warning)}`);
    for (const line of lines) console.error(line);
  }
}

export interface DeleteOptions extends ServerOptions {
  readonly file?: readonly string[];
  readonly dryRun?: true;
  readonly message?: string;
  readonly ignoreMissing?: true;
}

export async function remove(words: readonly string[], options: DeleteOptions): Promise<void> {
  const { file = [], dryRun = false, message = '', ignoreMissing = false } = options;
  if (words.length > 0 === file.length > 0) {
    throw new UsageError(`expected KIND NAME or -f FILE, found ${file.length > 0 ? 'both' : 'neither'}`);
  }
  const keys = file.length > 0 ? (await readManifests(file)).map(({ content }) => content.key) : parseKeys(words);
  await withControlPlane(options, async (controlPlane) => {
    const answer = await controlPlane.call<DeleteResponse>('Delete', {
      keys,
      dry_run: dryRun,
      message,
      ignore_missing: ignoreMissing,
    });
    if (options.json) console.log(JSON.stringify(toJson(answer), null, 2));
    else await printChanges(answer, [], dryRun);
  });
}

/** Prints what `apply` would change; the exit code is 1 where that is something. */
export async function diff(options: FileOptions): Promise<void> {
  const { objects, request } = await requestOf(options);
  await withControlPlane(options, async (controlPlane) => {
    const answer = await send(controlPlane, objects, { ...request, dry_run: true });
    const different = answer.changes.filter(({ action }) => action !== 'unchanged');
    if (options.json) console.log(JSON.stringify(toJson(different), null, 2));
    else for (const change of different) process.stdout.write(difference(change, process.stdout.isTTY));
    if (!options.json) await printWarnings({ ...answer, changes: different }, objects);
    if (different.length > 0) process.exitCode = EXIT.failed;
  });
}
