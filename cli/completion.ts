/** `l7mp completion`: scripts for shells, made from the definitions of the subcommands. */
import type { Command, Option } from 'commander';
import { SCHEMES } from '../common/address.ts';
import { KINDS } from './controlplane/kinds.ts';

export function completion(program: Command, shell: 'bash' | 'zsh' | 'fish'): void {
  process.stdout.write({ bash, zsh, fish }[shell](program));
}

/** How an address may begin: the first name of each scheme. */
const ADDRESSES = SCHEMES.map(({ names: [name = ''], form }) => (form === 'none' ? name : `${name}:`));

const KIND_WORDS = KINDS.map(({ kind }) => kind.toLowerCase());

const flagsOf = ({ short, long }: Option): string[] => [short, long].filter((flag) => flag !== undefined);
const takesValue = ({ required, optional }: Option): boolean => required || optional;

/** The words that stand behind an option; undefined where those are files, or anything. */
function valuesOf({ argChoices, flags }: Option): readonly string[] | undefined {
  return flags.includes('<address') ? ADDRESSES : argChoices;
}

/** The words that stand where a command wants an argument; undefined where those are files, or anything. */
function argumentsOf({ registeredArguments: [first] }: Command): readonly string[] | undefined {
  if (first?.name() === 'A') return ADDRESSES;
  return first?.name() === 'object' ? KIND_WORDS : first?.argChoices;
}

function bash(program: Command): string {
  const names = program.commands.map((command) => command.name());
  const options = program.commands.map(
    (command) => `    ${command.name()}) words='${[...command.options.flatMap(flagsOf), '--help'].join(' ')}' ;;`,
  );
  const values = program.commands.flatMap((command) =>
    command.options.filter(takesValue).map((option) => {
      const patterns = flagsOf(option).map((flag) => `'${command.name()} ${flag}'`);
      return `    ${patterns.join('|')}) words='${valuesOf(option)?.join(' ') ?? ''}' ;;`;
    }),
  );
  const others = program.commands.map((command) => {
    const words = argumentsOf(command)?.join(' ');
    return words === undefined ? [] : [`    '${command.name()} '*) words='${words}' ;;`];
  });
  return `# bash completion of l7mp
_l7mp() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} words=''
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${names.join(' ')} --help --version' -- "$current"))
    return
  fi
  if [[ $current == -?* ]]; then
    case "\${COMP_WORDS[1]}" in
${options.join('\n')}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]} $previous" in
${[...values, ...others.flat()].join('\n')}
  esac
  if [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    # An address goes on behind its colon.
    [[ \${COMPREPLY[0]} == *: ]] && compopt -o nospace 2> /dev/null
  fi
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _l7mp l7mp
`;
}

function zsh(program: Command): string {
  const quote = (text: string): string => text.replaceAll("'", "'\\''").replaceAll(':', '\\:');
  const choice = (words: readonly string[] | undefined): string =>
    words === undefined ? '_files' : `(${words.map(quote).join(' ')})`;
  const names = program.commands.map((command) => `    '${command.name()}:${quote(command.description())}'`);
  const cases = program.commands.map((command) => {
    const flags = command.options.flatMap((option) =>
      flagsOf(option).map((flag) => {
        const value = takesValue(option) ? `:value:${choice(valuesOf(option))}` : '';
        return `'${flag}[${quote(option.description).replace(/[[\]]/gu, '')}]${value}'`;
      }),
    );
    return `    ${command.name()}) _arguments ${[...flags, `'*:argument:${choice(argumentsOf(command))}'`].join(' ')} ;;`;
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
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
compdef _l7mp l7mp
`;
}

function fish(program: Command): string {
  const quote = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
  const lines = program.commands.flatMap((command) => {
    const seen = `complete -c l7mp -n '__fish_seen_subcommand_from ${command.name()}'`;
    const words = argumentsOf(command);
    return [
      `complete -c l7mp -n __fish_use_subcommand -f -a ${command.name()} -d '${quote(command.description())}'`,
      ...(words === undefined ? [] : [`${seen} -a '${words.join(' ')}'`]),
      ...command.options.map((option) => {
        const { short, long, description } = option;
        const flags = [short && `-s ${short.slice(1)}`, long && `-l ${long.slice(2)}`].filter(Boolean).join(' ');
        const values = valuesOf(option);
        const value = values === undefined ? (takesValue(option) ? ' -r' : '') : ` -x -a '${values.join(' ')}'`;
        return `${seen} ${flags}${value} -d '${quote(description)}'`;
      }),
    ];
  });
  return `# fish completion of l7mp\n${lines.join('\n')}\n`;
}
