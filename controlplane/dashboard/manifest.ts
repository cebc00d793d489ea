/** Objects as text: what people edit, what a change of it does, and where in it something is wrong. */
import { type Fault, FaultsError } from '../../common/errors.ts';
import { textDifference } from '../../common/text-difference.ts';
import type { ApplyResponse, Change, Object as ConfigObject, ObjectFaults } from '../../gen/messages.ts';
import { type Call, RpcError, STATUS } from '../core/rpc.ts';
import { idOf, type ObjectContent } from '../model/object.ts';
import { toYaml } from '../model/object-text.ts';
import { HttpError } from '../../common/http-error.ts';
import { type Answer, faultsOf, json, text } from './answers.ts';
import type { Bridge } from './bridge.ts';

/** Reads a file's text. @throws FaultsError with all that is wrong, and the lines. */
export type ReadObjects = (text: string) => Promise<{
  readonly objects: readonly { readonly content: ObjectContent; readonly path: string }[];
  readonly locate: (faults: readonly Fault[]) => Promise<readonly (Fault & { readonly line?: number })[]>;
}>;

/** One object as a file of objects. */
export async function showManifest(bridge: Bridge, key: { kind: string; name: string }, call: Call): Promise<Answer> {
  const { object } = await bridge.call<{ object: ConfigObject }>('Get', { key }, call);
  return text(200, toYaml([object]), 'text/x-yaml; charset=utf-8');
}

/** Applies a file of objects, or says what that would do. @throws FaultsError with lines, RpcError, HttpError */
export async function applyManifest(
  bridge: Bridge,
  readObjects: ReadObjects,
  body: string,
  { dryRun, message }: { readonly dryRun: boolean; readonly message: string },
  call: Call,
): Promise<Answer> {
  const { objects, locate } = await readObjects(body);
  if (objects.length === 0) throw new HttpError(400, 'expected objects, found none');
  const request = { objects: objects.map(({ content }) => content), dry_run: dryRun, message };
  try {
    const response = await bridge.call<ApplyResponse>('Apply', request, call);
    return json(200, { ...response, changes: response.changes.map(withDifference) });
  } catch (error) {
    if (!(error instanceof RpcError) || error.code !== STATUS.INVALID_ARGUMENT) throw error;
    const found = faultsOf(error);
    if (found.length === 0) throw error;
    throw new FaultsError(await locate(found.flatMap((each) => placed(objects, each))));
  }
}

function placed(
  objects: readonly { readonly content: ObjectContent; readonly path: string }[],
  { key, faults }: ObjectFaults,
): Fault[] {
  const id = key && idOf(key);
  const path = objects.find(({ content }) => idOf(content.key) === id)?.path ?? id ?? '';
  return faults.map((each) => ({ ...each, path: each.path === '' ? path : `${path}.${each.path}` }));
}

/** In place of contents stands what is another in them. */
export function withDifference({ before, after, ...change }: Change): object {
  const { kind = '', name = '' } = change.key ?? {};
  const [was, is] = [before, after].map((each) => each && toYaml([each]));
  return { ...change, diff: was === is ? '' : textDifference(`${kind}/${name}`, was, is) };
}
