/** The subcommands that bring the control plane to a Kubernetes cluster, and take it away. */
import { type Command, Option } from 'commander';
import { duration, wholeNumber } from './values.ts';

export function addKubernetesCommands(program: Command): void {
  withCluster(
    program.command('install').description('bring the control plane to a Kubernetes cluster, or up to date there'),
  )
    .option('--image <image>', 'of the control plane (default: that of this version)')
    .option('--proxy-image <image>', 'of proxies (default: that of this version)')
    .option('--replicas <n>', 'of the control plane (default: 2)', wholeNumber())
    .option('--store <url>', 'where what is applied is kept (default: in the cluster)')
    .option('--no-injector', 'no webhook that puts proxies beside pods')
    .addOption(new Option('-o, --output <format>', 'print the objects, and touch nothing').choices(['yaml', 'json']))
    .option('--dry-run', 'have the API server check what would happen')
    .option('--wait', 'until the control plane runs')
    .option('--timeout <time>', 'of --wait', duration, 300_000)
    .addHelpText('after', INSTALL_HELP)
    .action(async (options: object) => (await import('../kubernetes/install.ts')).install(options as never));

  withCluster(
    program
      .command('uninstall')
      .description('take the control plane, and all that it has made, from a Kubernetes cluster'),
  )
    .option('--keep-crds', 'leave the custom resource definitions, and all objects of theirs')
    .option('-y, --yes', 'do not ask')
    .option('--dry-run', 'only say what would go')
    .option('--timeout <time>', 'how long to wait until all is gone', duration, 120_000)
    .addHelpText('after', UNINSTALL_HELP)
    .action(async (options: object) => (await import('../kubernetes/uninstall.ts')).uninstall(options as never));
}

function withCluster(command: Command): Command {
  return command
    .option('-n, --namespace <name>', 'where the control plane runs', 'l7mp-system')
    .option('--kubeconfig <file>', 'how to reach the cluster (default: as kubectl)')
    .option('--context <name>', "the kubeconfig's context (default: the current one)");
}

const INSTALL_HELP = `
Examples:
  l7mp install --wait
  l7mp install --image registry.example/l7mp/controlplane:1 --proxy-image registry.example/l7mp/proxy:1
  l7mp install -o yaml | kubectl diff --server-side -f -
`;

const UNINSTALL_HELP = `
Gateways and routes stay; what runs for them goes. Sidecars go on with what they have until their pods are made anew.

Examples:
  l7mp uninstall --dry-run
  l7mp uninstall --keep-crds
`;
