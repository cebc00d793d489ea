/** The subcommand that runs a control plane. */
import { type Command, Option } from 'commander';
import { duration, LEVELS, repeated } from './values.ts';

export function addControlPlaneCommand(program: Command): void {
  program
    .command('controlplane')
    .description('run a control plane until SIGTERM or SIGINT: it hands configuration to proxies')
    .option('--listen <address>', 'where proxies and commands connect', '127.0.0.1:1235')
    .option(
      '--store <url>',
      'what is applied is kept in: embedded:DIRECTORY, etcd://HOST:PORT,…/PREFIX, or kubernetes:NAMESPACE/NAME',
      'embedded:l7mp-data',
    )
    .option('--folder <directory>', 'take objects from the files of a directory, too, and follow them')
    .option(
      '--kubernetes',
      "follow a cluster of Kubernetes: its objects are configuration, its pods' tokens tell who calls",
    )
    .option(
      '--kubeconfig <file>',
      'how to reach it (default: KUBECONFIG, ~/.kube/config, or the pod that this runs in)',
    )
    .option('--namespace <name>', 'where the control plane is in it (default: that of the kubeconfig)')
    .option(
      '--gateway-defaults <file>',
      'how the pods of Gateways are run, as in GatewayParameters; without it they are not made',
    )
    .option('--webhook-listen <address>', 'where the webhook listens that puts sidecars beside pods (default: nowhere)')
    .option(
      '--sidecar-env <file>',
      "variables OTEL_* of sidecars, in YAML as a container's env; annotations of pods count more",
    )
    .option('--tls-ca <file>', 'with --kubernetes and --tls-cert: the authorities that proxies are told to trust')
    .option('--tls-cert <file>', 'its certificate chain; loaded again when it changes')
    .option('--tls-key <file>', "the certificate's key")
    .option(
      '--tls-client-ca <file>',
      'whose client certificates are taken: their names are the nodes that proxies may be',
    )
    .option('--admins <name>', 'a client certificate that may change configuration; may stand several times', repeated)
    .option('--readers <name>', 'a client certificate that may read it; may stand several times', repeated)
    .option('--tokens <file>', 'who has which bearer token, and what it covers; loaded again when it changes')
    .option('--insecure', 'plain text off this machine is wanted; without --tokens, whoever connects may do everything')
    .option('--id <name>', 'its name among replicas (default: the host name and the port)')
    .option(
      '--removal-delay <time>',
      'unused clusters, endpoints and secrets stay so long in proxies; 0s: not at all',
      duration,
      1000,
    )
    .option(
      '--max-connection-age <time>',
      'connections end after so long, so that load spreads; 0s: never',
      duration,
      3_600_000,
    )
    .option('--http <address>', 'where the dashboard, /ready, /healthz and /metrics are (default: nowhere)')
    .option('--http-tls', 'over TLS there, too, with the same certificate; off this machine the dashboard wants it')
    .addOption(new Option('-l, --log-level <level>', "the log's level").choices(LEVELS).default('info'))
    .option('--drain-timeout <time>', 'how long calls may go on after the signal', duration, 10_000)
    .addHelpText('after', CONTROLPLANE_HELP)
    .action(async (options: object) => (await import('../controlplane/serve.ts')).serve(options as never));
}

const CONTROLPLANE_HELP = `
Signals:
  SIGTERM, SIGINT   proxies go elsewhere, calls are finished, then it ends; a second one ends at once
  SIGHUP            read certificates, tokens and the folder again

Examples:
  l7mp controlplane --store embedded:/var/lib/l7mp
  l7mp controlplane --listen 0.0.0.0:1235 --tls-cert cp.pem --tls-key cp.key --tls-client-ca ca.pem \\
    --tokens tokens.yaml --http 127.0.0.1:1236
`;
