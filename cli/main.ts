/** `l7mp`: finds the subcommand and runs it. */
import { Command, CommanderError } from 'commander';
import { addCommands } from './commands.ts';
import { EXIT, reportError } from './exit.ts';

const program = new Command('l7mp');
addCommands(program);
program.exitOverride();
for (const command of program.commands) command.exitOverride();

try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage;
  else process.exitCode = reportError(error);
}
