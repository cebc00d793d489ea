/** Prints the manual page and docs/cli.md from the commands' own definitions. */
import { Command } from 'commander';
import { addCommands } from '../../cli/commands.ts';
import { EXIT_CODES } from '../../cli/exit.ts';

const ABOUT =
  'l7mp stitches application streams together, whatever they ride on: UDP, TCP, TLS, HTTP, WebSocket, UNIX sockets, programs and more.';

function commands(): readonly Command[] {
  const program = new Command('l7mp');
  addCommands(program);
  for (const command of program.commands) command.configureHelp({ helpWidth: 100 });
  return program.commands;
}

/** What `--help` shows, with the text behind the options. */
function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => 100,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text.trimEnd();
}

export function printCliPage(): string {
  const sections = commands().map((command) => `## l7mp ${command.name()}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\``);
  const codes = EXIT_CODES.map(([code, meaning]) => `| ${code} | ${meaning} |`);
  return [
    '# The command',
    `${ABOUT} \`npm run generate\` makes this page from the command itself.`,
    ...sections,
    `## Exit codes\n\n| code | meaning |\n| --- | --- |\n${codes.join('\n')}`,
  ].join('\n\n');
}

/** In the macros of man(7). */
export function printManual(version: string): string {
  const lines = [`.TH L7MP 1 "" "l7mp ${version}"`, '.SH NAME', 'l7mp \\- multiprotocol service proxy'];
  lines.push(
    '.SH SYNOPSIS',
    ...commands().flatMap((command) => [`.B l7mp ${command.name()}`, escape(command.usage()), '.br']),
  );
  lines.push('.SH DESCRIPTION', escape(ABOUT), '.SH COMMANDS');
  for (const command of commands()) {
    lines.push(`.SS l7mp ${command.name()}`, '.nf', ...helpOf(command).split('\n').map(escape), '.fi');
  }
  lines.push('.SH EXIT STATUS');
  for (const [code, meaning] of EXIT_CODES) lines.push('.TP', `.B ${code}`, escape(meaning));
  return `${lines.join('\n')}\n`;
}

/** A backslash, a hyphen, and what a line must not begin with mean something to troff. */
function escape(line: string): string {
  return line.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/^[.']/u, '\\&$&');
}
