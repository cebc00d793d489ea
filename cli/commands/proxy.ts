/** The subcommands that run a proxy, and that check what one is given. */
import { type Command, Option } from 'commander';
import { PIPE_HELP } from '../pipe-help.ts';
import { withControlPlane } from './control-plane-options.ts';
import { LEVELS, repeated, wholeNumber } from './values.ts';

export function addProxyCommands(program: Command): void {
  const proxy = program
    .command('proxy')
    .description('run a proxy until SIGTERM or SIGINT, then drain')
    .option(
      '-c, --config <file>',
      'its configuration; reloaded when it changes; - is standard input (default: none, and only the REST API)',
    )
    .addOption(
      new Option('-l, --log-level <level>', "the log's level, whatever the configuration says").choices(LEVELS),
    )
    .option('-s, --strict', 'the REST API refuses unknown fields')
    .option('--plugin <file>', 'load a protocol from a JavaScript module; once for each', repeated)
    .option('--no-api', 'no REST API')
    .option(
      '--http <address>',
      'serve /ready, /healthz and /metrics there, too, for probes and scrapers (default: nowhere)',
    )
    .option('--no-watch', 'do not reload the configuration when its file changes (SIGHUP still does)')
    .option('--drain-timeout <ms>', 'how long sessions may go on after the signal', wholeNumber());
  withControlPlane(proxy)
    .addHelpText('after', PROXY_HELP)
    .action(async (options: object) => (await import('../proxy.ts')).proxy(options));

  program
    .command('pipe')
    .description('make a proxy out of two addresses: what comes in at A goes out at B, and back')
    .argument('<A>', 'where sessions come from')
    .argument('<B>', 'where they go')
    .option('--ingress <address>', 'what the stream passes on its way from A to B; once for each', repeated)
    .option('--egress <address>', 'what it passes on its way back; once for each', repeated)
    .addOption(
      new Option('--framing <kind>', 'keep message boundaries on byte streams').choices([
        'length-prefix-2',
        'length-prefix-4',
        'newline',
      ]),
    )
    .option('--retry <n>', 'connect again up to n times when B fails or breaks', wholeNumber())
    .option('--idle-timeout <ms>', 'end a session in which nothing moved for so long', wholeNumber())
    .option(
      '--half-close <ms>',
      'after one side has ended and the other cannot be told, wait for so much silence',
      wholeNumber(),
    )
    .option('--once', 'end with the first session')
    .option('-v, --verbose', 'say what happens on stderr')
    .addHelpText('after', PIPE_HELP)
    .action(async (a: string, b: string, options: object) => (await import('../pipe.ts')).pipe(a, b, options));

  program
    .command('check')
    .description('say what is wrong with a configuration, all at once, and start nothing')
    .argument('<file>', 'the configuration; - is standard input')
    .option('--plugin <file>', 'load a protocol from a JavaScript module; once for each', repeated)
    .option('--json', 'print JSON, for machines')
    .addHelpText('after', '\nExample:\n  l7mp check proxy.yaml && systemctl reload l7mp\n')
    .action(async (file: string, options: object) => (await import('../check.ts')).check(file, options));
}

const PROXY_HELP = `
Signals:
  SIGTERM, SIGINT   take no new sessions, wait for the others, end; a second one ends at once
  SIGHUP            read the configuration again, and open log files anew

Examples:
  l7mp proxy -c proxy.yaml
  curl -s http://127.0.0.1:1234/ready
  l7mp proxy --controlplane 127.0.0.1:1235 --id edge-1 --labels zone=a --state-dir /var/lib/l7mp
`;
