/** `l7mp history` and `l7mp rollback`: what was changed, by whom, and how to go back. */
import type { GetVersionResponse, ListVersionsResponse, RollbackResponse, Version } from '../../gen/messages.ts';
import { UsageError } from '../exit.ts';
import { formatTable } from '../table.ts';
import { type ServerOptions, withControlPlane } from './client.ts';
import { printWarnings } from './apply.ts';
import { difference } from './difference.ts';
import { toJson } from '../../controlplane/model/object-text.ts';
import { ageOf } from './format.ts';
import { formatKey, parseKey } from './kinds.ts';
import { listPages } from './pages.ts';

export interface HistoryOptions extends ServerOptions {
  readonly limit: number;
  readonly show?: number;
}

export async function history(word: string | undefined, options: HistoryOptions): Promise<void> {
  const key = word === undefined ? undefined : parseKey(word);
  if (key !== undefined && options.show !== undefined) throw new UsageError('expected KIND/NAME or --show, found both');
  await withControlPlane(options, async (controlPlane) => {
    if (options.show !== undefined) {
      const { version } = await controlPlane.call<GetVersionResponse>('GetVersion', { number: options.show });
      if (version === undefined) return;
      if (options.json) console.log(JSON.stringify(toJson(version), null, 2));
      else process.stdout.write(describe(version));
      return;
    }
    const { limit } = options;
    const request = { page_size: limit, ...(key && { key }) };
    const versionsOf = ({ versions: found }: ListVersionsResponse): readonly Version[] => found;
    const versions = await listPages(controlPlane, 'ListVersions', request, versionsOf, limit);
    if (options.json) console.log(JSON.stringify(toJson(versions), null, 2));
    else process.stdout.write(formatTable(['VERSION', 'AGE', 'WHO', 'CHANGES', 'MESSAGE'], versions.map(rowOf)));
    if (versions.length === 0 && !options.json) console.error('nothing found');
  });
}

/** So many changes are named in a line. */
const NAMED = 3;

function rowOf({ number, time, author, message, changes, rollout }: Version): string[] {
  const names = changes.slice(0, NAMED).map(({ key, action }) => `${formatKey(key)} ${action}`);
  const more = changes.length > NAMED ? [`${changes.length - NAMED} more`] : [];
  const why = [...(rollout === '' ? [] : [`[${rollout}]`]), message];
  return [String(number), ageOf(time), author, [...names, ...more].join(', '), why.join(' ')];
}

function describe({ number, time, author, message, changes }: Version): string {
  const head = `version ${number} of ${time ?? ''} by ${author}${message === '' ? '' : `: ${message}`}\n`;
  return head + changes.map((change) => difference(change, process.stdout.isTTY)).join('');
}

export interface RollbackOptions extends ServerOptions {
  readonly only?: string;
  readonly dryRun?: true;
  readonly message?: string;
}

export async function rollback(number: number | undefined, options: RollbackOptions): Promise<void> {
  const key = options.only === undefined ? undefined : parseKey(options.only);
  await withControlPlane(options, async (controlPlane) => {
    const answer = await controlPlane.call<RollbackResponse>('Rollback', {
      number: number ?? 0,
      dry_run: options.dryRun ?? false,
      message: options.message ?? '',
      ...(key && { key }),
    });
    if (options.json) {
      console.log(JSON.stringify(toJson(answer), null, 2));
      return;
    }
    const changes = answer.changes.filter(({ action }) => action !== 'unchanged');
    if (changes.length === 0) console.log('nothing is to be changed');
    for (const change of changes) {
      if (options.dryRun) process.stdout.write(difference(change, process.stdout.isTTY));
      else console.log(`${formatKey(change.key)} ${change.action}`);
    }
    await printWarnings(answer);
  });
}
