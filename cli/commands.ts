/** Every subcommand with its options: help, completion, manual page and reference are made from this. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { productVersion } from '../dataplane/core/version.ts';
import { PIPE_HELP } from './pipe-help.ts';

const LEVELS = ['silly', 'trace', 'verbose', 'debug', 'info', 'http', 'notice', 'warn', 'error', 'silent'];

/** The options of all subcommands that ask a running proxy. */
function withApi(command: Command): Command {
  return command
    .addOption(new Option('--api <url>', "the proxy's REST API").default('http://127.0.0.1:1234').env('L7MP_API'))
    .addOption(new Option('--token <token>', 'its bearer token').env('L7MP_TOKEN'))
    .option('--json', 'print JSON, for machines');
}

/** The options of a proxy that takes configuration from a control plane. */
function withControlPlane(command: Command): Command {
  const option = (flags: string, description: string, variable: string): Option =>
    new Option(flags, description).env(`L7MP_${variable}`);
  const file = (what: string, description: string): Option =>
    option(`--controlplane-${what} <file>`, description, `CONTROLPLANE_${what.toUpperCase().replace('-', '_')}`);
  return command
    .addOption(
      option('--controlplane <addresses>', 'take configuration from it: HOST:PORT, several by commas', 'CONTROLPLANE'),
    )
    .addOption(
      option(
        '--controlplane-resources <which>',
        'what to take: all, or the endpoints and secrets that the configuration names',
        'CONTROLPLANE_RESOURCES',
      )
        .choices(['all', 'endpoints'])
        .default('all'),
    )
    .addOption(file('ca', "the authorities that its certificate is checked against (default: the system's)"))
    .addOption(file('cert', 'the certificate to show it'))
    .addOption(file('key', "the certificate's private key"))
    .addOption(file('token-file', 'the bearer token to send it'))
    .addOption(
      option(
        '--controlplane-plaintext',
        'no TLS (default on loopback, unless there are certificates)',
        'CONTROLPLANE_PLAINTEXT',
      ),
    )
    .addOption(option('--id <name>', "the proxy's name to the control plane (default: the host's)", 'ID'))
    .addOption(option('--labels <k=v,...>', "what the control plane's selectors match on", 'LABELS'))
    .addOption(option('--state-dir <dir>', 'keep the last good configuration here, for a restart', 'STATE_DIR'));
}

/** Subcommands load what they need when they run: a proxy starts fast. */
export function addCommands(program: Command): void {
  program
    .description('A multiprotocol service proxy: any protocol in, any protocol out.')
    .version(productVersion(), '-V, --version')
    .showSuggestionAfterError()
    .showHelpAfterError('(--help says more)');

  const proxy = program
    .command('proxy')
    .description('run a proxy until SIGTERM or SIGINT, then drain')
    .option('-c, --config <file>', 'its configuration; reloaded when it changes (none: only the REST API)')
    .addOption(
      new Option('-l, --log-level <level>', "the log's level, whatever the configuration says").choices(LEVELS),
    )
    .option('-s, --strict', 'the REST API refuses unknown fields')
    .option('--plugin <file...>', 'load a protocol from a JavaScript module')
    .option('--no-api', 'no REST API')
    .option('--no-watch', 'do not reload the configuration when its file changes (SIGHUP still does)')
    .option('--drain-timeout <ms>', 'how long sessions may go on after the signal', wholeNumber);
  withControlPlane(proxy)
    .addHelpText('after', PROXY_HELP)
    .action(async (options: object) => (await import('./proxy.ts')).proxy(options));

  program
    .command('pipe')
    .description('make a proxy out of two addresses: what comes in at A goes out at B, and back')
    .argument('<A>', 'where sessions come from')
    .argument('<B>', 'where they go')
    .option('--ingress <address...>', 'what the stream passes on its way from A to B')
    .option('--egress <address...>', 'what it passes on its way back')
    .option('--framing <kind>', 'keep message boundaries on byte streams: length-prefix-2, length-prefix-4 or newline')
    .option('--retry <n>', 'connect again up to n times when B fails or breaks', wholeNumber)
    .option('--idle-timeout <ms>', 'end a session in which nothing moved for so long', wholeNumber)
    .option(
      '--half-close <ms>',
      'after one side has ended and the other cannot be told, wait for so much silence',
      wholeNumber,
    )
    .option('--once', 'end with the first session')
    .option('-v, --verbose', 'say what happens on stderr')
    .addHelpText('after', PIPE_HELP)
    .action(async (a: string, b: string, options: object) => (await import('./pipe.ts')).pipe(a, b, options));

  program
    .command('check')
    .description('say what is wrong with a configuration, all at once, and start nothing')
    .argument('<file>', 'the configuration; - is standard input')
    .option('--plugin <file...>', 'load a protocol from a JavaScript module')
    .option('--json', 'print JSON, for machines')
    .addHelpText('after', '\nExample:\n  l7mp check proxy.yaml && systemctl reload l7mp\n')
    .action(async (file: string, options: object) => (await import('./check.ts')).check(file, options));

  withApi(program.command('config').description("print a running proxy's configuration"))
    .addHelpText('after', '\nExample:\n  l7mp config > copy.yaml\n')
    .action(async (options: object) => (await import('./config.ts')).config(options as never));

  withApi(program.command('sessions').description("show a running proxy's sessions, as a live table on a terminal"))
    .option('--once', 'print the table once')
    .option('--interval <ms>', 'between two looks', wholeNumber, 1000)
    .addOption(new Option('--sort <column>', 'the order').choices(['name', 'rate', 'bytes', 'age']).default('rate'))
    .addHelpText('after', '\nExample:\n  l7mp sessions --sort bytes\n')
    .action(async (options: object) => (await import('./sessions.ts')).sessions(options as never));

  withApi(program.command('explain').description('say what became of a session, and why'))
    .argument('<session>', 'its name, as `l7mp sessions` shows it')
    .addHelpText('after', '\nExample:\n  l7mp explain TCP:10.0.0.1:40000-10.0.0.2:80\n')
    .action(async (name: string, options: object) => (await import('./explain.ts')).explain(name, options as never));

  program
    .command('completion')
    .description('print the completion script of a shell')
    .argument('<shell>', 'bash, zsh or fish')
    .addHelpText('after', '\nExample:\n  source <(l7mp completion bash)\n')
    .action(async (shell: string) => (await import('./completion.ts')).completion(program, shell));
}

function wholeNumber(text: string): number {
  if (!/^\d+$/u.test(text)) throw new InvalidArgumentError('expected a whole number');
  return Number(text);
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
