import { type CompletionCommand, type CompletionOption, type CompletionValue, flatten } from './tree.ts';

/** One function a command, as zsh's _arguments wants it. Works from $fpath and when sourced. */
export function zshScript(root: CompletionCommand): string {
  return `#compdef imgctl
# zsh completion for imgctl, made by: imgctl completion zsh

${flatten(root).map(commandFunction).join('\n\n')}

if [[ $funcstack[1] == _imgctl ]]; then
  _imgctl "$@"
else
  compdef _imgctl imgctl
fi
`;
}

function commandFunction(command: CompletionCommand): string {
  return command.commands.length > 0 ? parentFunction(command) : leafFunction(command);
}

function parentFunction(command: CompletionCommand): string {
  const described = command.commands.flatMap(({ names, summary }) =>
    names.map((name) => `        ${quote(`${name}:${summary}`)}`),
  );
  const calls = command.commands.map(
    ({ names, path }) => `        ${names.join(' | ')}) ${functionName(path)} ;;`,
  );
  return `${functionName(command.path)}() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C \\
${[...command.options.map(optionSpec), "'1: :->command'", "'*:: :->rest'"].map((spec) => `    ${spec}`).join(' \\\n')}
  case $state in
    command)
      local -a commands=(
${described.join('\n')}
      )
      _describe -t commands command commands
      ;;
    rest)
      case $line[1] in
${calls.join('\n')}
      esac
      ;;
  esac
}`;
}

function leafFunction(command: CompletionCommand): string {
  const specs = [
    ...command.options.map(optionSpec),
    ...command.args.map((value, i) => quote(`${value.repeats ? '*' : i + 1}:${value.name}:${action(value)}`)),
  ];
  return `${functionName(command.path)}() {
  _arguments \\
${specs.map((spec) => `    ${spec}`).join(' \\\n')}
}`;
}

/** `'(-q --quiet)'{-q,--quiet}'[summary]:value:action'`. */
function optionSpec({ flags, summary, value, repeats }: CompletionOption): string {
  const text = `[${summary.replaceAll(/[[\]\\:]/g, '\\$&')}]`;
  const argument = value === undefined ? '' : `:${value.name}:${action(value)}`;
  const [only] = flags;
  const excluded = repeats ? '*' : `(${flags.join(' ')})`;
  if (flags.length === 1) return quote(`${excluded}${only}${text}${argument}`);
  return `${quote(excluded)}{${flags.join(',')}}${quote(text + argument)}`;
}

function action({ kind, choices }: CompletionValue): string {
  if (kind === 'choice') return `(${choices.join(' ')})`;
  if (kind === 'file') return '_files';
  if (kind === 'directory') return '_files -/';
  return ' ';
}

function functionName(path: string): string {
  return `_${path.replaceAll(' ', '_')}`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
