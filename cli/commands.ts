/** Every subcommand with its options: help, completion, manual page and reference are made from this. */
import { Argument, type Command } from 'commander';
import { productVersion } from '../common/version.ts';
import { addChangeCommands } from './commands/change.ts';
import { addControlPlaneCommand } from './commands/controlplane.ts';
import { addInspectCommands } from './commands/inspect.ts';
import { addKubernetesCommands } from './commands/kubernetes.ts';
import { addObserveCommands } from './commands/observe.ts';
import { addProxyCommands } from './commands/proxy.ts';

/** Subcommands load what they need when they run: a proxy starts fast. */
export function addCommands(program: Command): void {
  program
    .description('A multiprotocol service proxy: any protocol in, any protocol out.')
    .version(productVersion(), '-V, --version')
    .showSuggestionAfterError()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error:/u, 'l7mp:')) })
    .showHelpAfterError('(--help says more)');

  program.commandsGroup('Proxy:');
  addProxyCommands(program);
  addInspectCommands(program);
  program.commandsGroup('Control plane:');
  addControlPlaneCommand(program);
  addChangeCommands(program);
  addObserveCommands(program);
  program.commandsGroup('Kubernetes:');
  addKubernetesCommands(program);
  program.commandsGroup('Shell:');
  program
    .command('completion')
    .description('print the completion script of a shell')
    .addArgument(new Argument('<shell>', 'which one').choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', '\nExample:\n  source <(l7mp completion bash)\n')
    .action(async (shell: 'bash' | 'zsh' | 'fish') => (await import('./completion.ts')).completion(program, shell));
}
