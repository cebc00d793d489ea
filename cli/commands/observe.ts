/** The subcommands that show what a control plane holds, and how it fares. */
import { type Command, Option } from 'commander';
import { withServerAndJson } from './server-options.ts';
import { duration, labels, wholeNumber } from './values.ts';

export function addObserveCommands(program: Command): void {
  withServerAndJson(
    program.command('status').description('show the proxies of the control plane, and how objects fare in them'),
  )
    .addHelpText('after', '\nExample:\n  l7mp status --server cp.example:1235 --token-file ci.token\n')
    .action(async (options: object) => (await import('../controlplane/status.ts')).status(options as never));

  withServerAndJson(program.command('get').description('show objects of the control plane'))
    .argument('[object...]', 'KIND, KIND NAME…, or KIND/NAME…; all when absent')
    .addOption(
      new Option('-o, --output <form>', 'the form; raw is what apply --raw takes')
        .choices(['table', 'wide', 'yaml', 'json', 'raw'])
        .default('table'),
    )
    .option('-l, --selector <labels>', 'only objects with these labels', labels)
    .option('-w, --watch', 'and then every change')
    .addHelpText('after', '\nExamples:\n  l7mp get listeners\n  l7mp get listener web -o yaml > web.yaml\n')
    .action(async (words: string[], options: object) =>
      (await import('../controlplane/get.ts')).get(words, options as never),
    );

  withServerAndJson(program.command('wait').description('wait until objects serve in every proxy that they are for'))
    .argument('[object...]', 'KIND/NAME…; all when absent')
    .option('--applied', 'until they serve (what it does anyway)')
    .option('--acked', 'only until the proxies took them')
    .option('--min-proxies <n>', 'that there must be at least', wholeNumber(), 0)
    .option('--timeout <time>', 'after which it fails', duration, 60_000)
    .addHelpText('after', '\nExample:\n  l7mp wait --applied listener/web --min-proxies 3\n')
    .action(async (words: string[], options: object) =>
      (await import('../controlplane/wait.ts')).wait(words, options as never),
    );

  withServerAndJson(program.command('history').description('show what was changed, when, by whom and why'))
    .argument('[object]', 'only changes of KIND/NAME')
    .option('-n, --limit <n>', 'so many changes', wholeNumber(1, 500), 20)
    .option('--show <version>', 'what one change did, line by line', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .addHelpText('after', '\nExamples:\n  l7mp history listener/web\n  l7mp history --show 42\n')
    .action(async (word: string | undefined, options: object) =>
      (await import('../controlplane/history.ts')).history(word, options as never),
    );

  withServerAndJson(program.command('backup').description('save all that the control plane holds, keys included'))
    .argument('<file>', 'where to; - is standard output')
    .addHelpText('after', '\nExample:\n  l7mp backup backup.l7mp\n')
    .action(async (file: string, options: object) =>
      (await import('../controlplane/backup.ts')).backup(file, options as never),
    );
}
