/** The options of a proxy that takes its configuration from a control plane. */
import { type Command, Option } from 'commander';

export function withControlPlane(command: Command): Command {
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
    .addOption(
      option('--id <name>', "the proxy's name to the control plane, and of what it pins (default: the host's)", 'ID'),
    )
    .addOption(option('--labels <k=v,...>', "what the control plane's selectors match on", 'LABELS'))
    .addOption(option('--state-dir <dir>', 'keep the last good configuration here, for a restart', 'STATE_DIR'));
}
