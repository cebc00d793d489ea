/** The subcommands that change what a control plane holds. */
import { Argument, type Command } from 'commander';
import { withServerAndJson } from './server-options.ts';
import { duration, percentages, repeated, wholeNumber } from './values.ts';

const FILES = [
  '-f, --file <file>',
  'objects; directories, too; - is standard input; may stand several times',
  repeated,
] as const;
const RAW = [
  '--raw <file>',
  'raw resources: JSON lists of {type_url, name, value in base64}; may stand several times',
  repeated,
] as const;
const REPLACE = ['--replace', 'delete other raw resources of the same types'] as const;
const PRUNE = ['--prune', 'delete objects that no file has (raw resources stay)'] as const;
const DRY_RUN = ['--dry-run', 'only say what would happen'] as const;
const MESSAGE = ['-m, --message <text>', 'why, for the history'] as const;

export function addChangeCommands(program: Command): void {
  withServerAndJson(program.command('apply').description('make or replace objects: all of them, or none'))
    .option(...FILES)
    .option(...RAW)
    .option(...REPLACE)
    .option(...PRUNE)
    .option(...DRY_RUN)
    .option(...MESSAGE)
    .option('--rollout <percentages>', 'to so many percent of the proxies first, as in 10,50', percentages)
    .option('--pause <time>', 'between two steps of the rollout (default: 30s)', duration)
    .option('--max-failures <n>', 'proxies that may fail before all go back (default: 0)', wholeNumber())
    .option('--manual', 'each step waits for `l7mp rollout next`')
    .option('--wait', 'until it serves in every proxy that it is for, or the rollout is through')
    .option('--timeout <time>', 'of --wait', duration, 60_000)
    .addHelpText('after', APPLY_HELP)
    .action(async (options: object) => (await import('../controlplane/apply.ts')).apply(options as never));

  withServerAndJson(
    program.command('diff').description('say what apply would change; the exit code is 1 where that is something'),
  )
    .option(...FILES)
    .option(...RAW)
    .option(...REPLACE)
    .option(...PRUNE)
    .addHelpText('after', '\nExample:\n  l7mp diff -f web.yaml || l7mp apply -f web.yaml\n')
    .action(async (options: object) => (await import('../controlplane/apply.ts')).diff(options as never));

  withServerAndJson(program.command('delete').description('delete objects: all of them, or none'))
    .argument('[object...]', 'KIND NAME…, or KIND/NAME…')
    .option('-f, --file <file>', 'the objects that are in a file; may stand several times', repeated)
    .option('--ignore-missing', 'what does not exist is no fault')
    .option(...DRY_RUN)
    .option(...MESSAGE)
    .addHelpText('after', '\nExamples:\n  l7mp delete listener web\n  l7mp delete -f web.yaml\n')
    .action(async (words: string[], options: object) =>
      (await import('../controlplane/apply.ts')).remove(words, options as never),
    );

  withServerAndJson(
    program
      .command('rollback')
      .description('make everything as it was before the last change, or after an earlier one'),
  )
    .argument('[version]', 'as it was after this change', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option('--only <object>', 'only KIND/NAME')
    .option(...DRY_RUN)
    .option(...MESSAGE)
    .addHelpText('after', '\nExamples:\n  l7mp rollback --dry-run\n  l7mp rollback 41 --only listener/web\n')
    .action(async (version: number | undefined, options: object) =>
      (await import('../controlplane/history.ts')).rollback(version, options as never),
    );

  // As in cli/controlplane/rollout.ts, which is loaded only where it is needed.
  const actions = ['list', 'status', 'next', 'pause', 'resume', 'promote', 'abort'];
  withServerAndJson(program.command('rollout').description('look at rollouts, go on with one, or end it'))
    .addArgument(new Argument('<action>', 'what to do').choices(actions))
    .argument('[name]', 'the rollout (default: the one that is under way)')
    .addHelpText('after', ROLLOUT_HELP)
    .action(async (action: 'list', name: string | undefined, options: object) =>
      (await import('../controlplane/rollout.ts')).rollout(action, name, options as never),
    );

  withServerAndJson(program.command('restore').description('replace all that the control plane holds by a backup'))
    .argument('<file>', 'the backup; - is standard input')
    .addHelpText('after', '\nExample:\n  l7mp restore backup.l7mp\n')
    .action(async (file: string, options: object) =>
      (await import('../controlplane/backup.ts')).restore(file, options as never),
    );
}

const APPLY_HELP = `
A file has the lists of a proxy's configuration (listeners, clusters, rulelists, rules, routes), secrets and
load_assignments. Each object, or the whole file, may have a selector, which says for which proxies it is, and labels.

Examples:
  l7mp apply -f web.yaml -m 'more endpoints' --wait
  l7mp apply -f config/ --prune --rollout 10,50 --pause 1m
`;

const ROLLOUT_HELP = `
Actions:
  list, status      show all, or one
  next, promote     go on with the next step, or to all proxies at once
  pause, resume     stay at the present step, or go on
  abort             all proxies go back

Example:
  l7mp rollout promote
`;
