/** `l7mp completion`: scripts for shells, made from the definitions of the subcommands. */
import type { Command } from 'commander';
import { UsageError } from './exit.ts';

export function completion(program: Command, shell: string): void {
  const make = { bash, zsh, fish }[shell];
  if (make === undefined) throw new UsageError(`expected bash, zsh or fish, found "${shell}"`);
  process.stdout.write(make(program));
}

const flagsOf = (command: Command): string[] =>
  command.options.flatMap(({ short, long }) => [short, long].filter((flag) => flag !== undefined));

function bash(program: Command): string {
  const names = program.commands.map((command) => command.name());
  const cases = program.commands.map(
    (command) => `    ${command.name()}) words='${[...flagsOf(command), '--help'].join(' ')}' ;;`,
  );
  return `# bash completion of l7mp
_l7mp() {
  local current=\${COMP_WORDS[COMP_CWORD]} words=''
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${names.join(' ')} --help --version' -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _l7mp l7mp
`;
}

function zsh(program: Command): string {
  const quote = (text: string): string => text.replaceAll("'", "'\\''").replaceAll(':', '\\:');
  const names = program.commands.map((command) => `    '${command.name()}:${quote(command.description())}'`);
  const cases = program.commands.map((command) => {
    const flags = command.options.map(
      ({ long, description }) => `'${long ?? ''}[${quote(description).replace(/[[\]]/gu, '')}]'`,
    );
    return `    ${command.name()}) _arguments ${[...flags, "'*:file:_files'"].join(' ')} ;;`;
  });
  return `#compdef l7mp
_l7mp() {
  local -a commands
  commands=(
${names.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case $words[2] in
${cases.join('\n')}
  esac
}
compdef _l7mp l7mp
`;
}

function fish(program: Command): string {
  const quote = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
  const lines = program.commands.flatMap((command) => [
    `complete -c l7mp -n __fish_use_subcommand -f -a ${command.name()} -d '${quote(command.description())}'`,
    ...command.options.map(({ short, long, description }) => {
      const flags = [short && `-s ${short.slice(1)}`, long && `-l ${long.slice(2)}`].filter(Boolean).join(' ');
      return `complete -c l7mp -n '__fish_seen_subcommand_from ${command.name()}' ${flags} -d '${quote(description)}'`;
    }),
  ]);
  return `# fish completion of l7mp\n${lines.join('\n')}\n`;
}
