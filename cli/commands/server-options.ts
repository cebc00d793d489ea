/** The options of all subcommands that ask a control plane. */
import { type Command, Option } from 'commander';

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
    .addOption(new Option('--key <file>', "the certificate's key").env('L7MP_KEY'));
}

/** The same, for those that print JSON when they are told to. */
export function withServerAndJson(command: Command): Command {
  return withServer(command).option('--json', 'print JSON, for machines');
}
