/** The subcommands that ask a running proxy. */
import { type Command, Option } from 'commander';
import { isKey } from '../controlplane/kinds.ts';
import { withServer } from './server-options.ts';
import { repeated, wholeNumber } from './values.ts';

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

  withApi(program.command('top').description('show what moves in a running proxy, live on a terminal'))
    .option('--once', 'print the table once (default: again and again where standard output is no terminal)')
    .option('--interval <ms>', 'between two looks', wholeNumber(100), 1000)
    .addOption(
      new Option('--sort <column>', 'the order').choices(['rate', 'packets', 'bytes', 'age', 'name']).default('rate'),
    )
    .option('--filter <text>', 'only sessions with it in a name, an address or the status', '')
    .option('--limit <n>', 'the most sessions of a printed table', wholeNumber(1, 1000), 50)
    .addHelpText('after', TOP_HELP)
    .action(async (options: object) => (await import('../top.ts')).top(options as never));

  withApi(program.command('tap').description("show what passes a running proxy's sessions"))
    .argument('<name>', 'a listener, whose sessions are shown, new ones too; or a session, as `l7mp sessions` shows it')
    .addOption(
      new Option('-f, --format <form>', 'how it is written; pcap is for Wireshark')
        .choices(['text', 'json', 'pcap'])
        .default('text'),
    )
    .option('-o, --output <file>', 'where to; - is standard output', '-')
    .option('--force', 'overwrite what the file holds')
    .addOption(
      new Option('--side <side>', 'where it is looked at: at the client, or at the destination')
        .choices(['client', 'upstream'])
        .default('client'),
    )
    .addOption(
      new Option('--direction <direction>', 'from the client (in), to it (out), or both')
        .choices(['in', 'out', 'both'])
        .default('both'),
    )
    .option('-n, --count <n>', 'end after so many messages', wholeNumber(1))
    .option('--bytes <n>', 'so much of each message (default: 65536)', wholeNumber(0))
    .option('--seconds <n>', 'end after so long (default: 60)', wholeNumber(1))
    .option('--match <predicate>', 'only sessions whose metadata match, as in rules: YAML or JSON')
    .option(
      '--redact <what>',
      'do not show a header field, a /POINTER of the metadata, payload, or payload:/POINTER; once for each',
      repeated,
    )
    .option('--show-secrets', 'show Authorization, Proxy-Authorization, Cookie and Set-Cookie, too')
    .addHelpText('after', TAP_HELP)
    .action(async (name: string, options: object) => (await import('../tap.ts')).tap(name, options as never));

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

const TOP_HELP = `
Keys: h shows them. Rates are of the last second.

Examples:
  l7mp top
  l7mp top --once --sort packets --filter 10.0.0.7
  l7mp top --json | jq .traffic.rates
`;

const TAP_HELP = `
The first interrupt ends it in order, and a summary stands on standard error.

Examples:
  l7mp tap web --match '{op: starts, path: /HTTP/url/path, value: /api}'
  l7mp tap web --format pcap | wireshark -k -i -
  l7mp tap UDP:10.0.0.1:5000-10.0.0.2:53-0 --side upstream --count 10
`;

const EXPLAIN_HELP = `
Examples:
  l7mp explain TCP:10.0.0.1:40000-10.0.0.2:80
  l7mp explain listener/web
`;
