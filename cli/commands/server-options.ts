/** The options of all subcommands that ask a control plane. */
import { isIP } from 'node:net';
import { type Command, InvalidArgumentError, Option } from 'commander';

export function withServer(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--server <address>',
        'the control plane, or several with commas: the first that is there; https:// or http:// in front say whether it has TLS',
      )
        .default('127.0.0.1:1235')
        .env('L7MP_SERVER'),
    )
    .addOption(new Option('--token-file <file>', 'a bearer token for it').env('L7MP_TOKEN_FILE'))
    .addOption(new Option('--ca <file>', 'the authorities that may have signed its certificate').env('L7MP_CA'))
    .addOption(new Option('--cert <file>', 'a client certificate for it').env('L7MP_CERT'))
    .addOption(new Option('--key <file>', "the certificate's key").env('L7MP_KEY'))
    .addOption(
      new Option('--tls-server-name <name>', 'whom its certificate must be for (default: the host of --server)')
        .env('L7MP_TLS_SERVER_NAME')
        .argParser(toServerName),
    );
}

/** The same, for those that print JSON when they are told to. */
export function withServerAndJson(command: Command): Command {
  return withServer(command).option('--json', 'print JSON, for machines');
}

/** A server name of TLS is no address (RFC 6066, section 3). */
function toServerName(text: string): string {
  if (/^[a-z\d_]([-a-z\d_.]*[a-z\d])?$/iu.test(text) && isIP(text) === 0) return text;
  throw new InvalidArgumentError('expected a DNS name, as in l7mp-controlplane.l7mp-system');
}
