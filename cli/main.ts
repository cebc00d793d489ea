/** `l7mp`: finds the subcommand and runs it. */
import { Command, CommanderError } from 'commander';
import { addCommands } from './commands.ts';
import { endSoon, EXIT, reportError } from './exit.ts';

const program = new Command('l7mp');
addCommands(program);
program.exitOverride();
for (const command of program.commands) command.exitOverride();

// `l7mp sessions | head`: a reader that has seen enough is no failure. Sessions on standard output see to it themselves.
if (!['proxy', 'pipe'].includes(process.argv[2] ?? '') || process.argv.includes('--help')) {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
    console.error(`l7mp: standard output: ${error.message}`);
    process.exit(EXIT.failed);
  });
}

try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage;
  else {
    process.exitCode = reportError(error);
    endSoon();
  }
}
