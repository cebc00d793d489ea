/** The subcommands that ask a running proxy. */
import { type Command, Option } from 'commander';
import { isKey } from '../controlplane/kinds.ts';
import { withServer } from './server-options.ts';
import { wholeNumber } from './values.ts';

/** The options of all of them. */
function withApi(command: Command): Command {
  return command
    .addOption(new Option('--api <url>', "the proxy's REST API").default('http://127.0.0.1:1234').env('L7MP_API'))
    .addOption(new Option('--token <token>', 'its bearer token').env('L7MP_TOKEN'))
    .option('--json', 'print JSON, for machines');
}

export function addInspectCommands(program: Command): void {
  withApi(program.command('config').description("print a running proxy's configuration"))
    .addHelpText('after', '\nExample:\n  l7mp config > copy.yaml\n')
    .action(async (options: object) => (await import('../config.ts')).config(options as never));

  withApi(program.command('sessions').description("show a running proxy's sessions, as a live table on a terminal"))
    .option('--once', 'print the table once')
    .option('--interval <ms>', 'between two looks', wholeNumber(100), 1000)
    .addOption(new Option('--sort <column>', 'the order').choices(['name', 'rate', 'bytes', 'age']).default('rate'))
    .addHelpText('after', '\nExample:\n  l7mp sessions --sort bytes\n')
    .action(async (options: object) => (await import('../sessions.ts')).sessions(options as never));

  withApi(program.command('offload').description("show which of a running proxy's sessions the kernel relays"))
    .addOption(new Option('-o, --output <form>', 'the form').choices(['table', 'json']).default('table'))
    .addHelpText('after', '\nExample:\n  l7mp offload -o json\n')
    .action(async (options: object) => (await import('../offload.ts')).offload(options as never));

  withServer(
    withApi(program.command('explain').description('say what became of a session, or how an object fares, and why')),
  )
    .argument('<what>', "a session's name, as `l7mp sessions` shows it; or KIND/NAME, an object of the control plane")
    .addHelpText('after', EXPLAIN_HELP)
    .action(async (what: string, options: object) => {
      if (isKey(what)) await (await import('../controlplane/explain.ts')).explainObject(what, options as never);
      else await (await import('../explain.ts')).explain(what, options as never);
    });
}

const EXPLAIN_HELP = `
Examples:
  l7mp explain TCP:10.0.0.1:40000-10.0.0.2:80
  l7mp explain listener/web
`;
