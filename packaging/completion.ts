import { type CommandInfo, flatten } from './command-tree.ts';

/** bash completion out of the command tree: commands, their options, and files behind an option. */
export function renderBashCompletion(root: CommandInfo): string {
  const commands = flatten(root);
  const words = commands.map(({ path, commands: inner, options }) => {
    const list = [...inner.map(({ name }) => name), ...options.map(({ long }) => long)];
    return `    ${quote(path)}) words=${quote(list.join(' '))} ;;`;
  });
  const valued = commands.flatMap(({ path, options }) =>
    options.filter(({ takesValue }) => takesValue).map(({ long }) => quote(`${path} ${long}`)),
  );
  const paths = commands.slice(1).map(({ path }) => quote(path));
  return `# bash completion for twowatt; made from the program's own help.
_twowatt() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  local path=twowatt words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path \${COMP_WORDS[i]}" in
    ${paths.join(' | ')}) path+=" \${COMP_WORDS[i]}" ;;
    esac
  done
  COMPREPLY=()
  # The value of an option: no words of ours, so that bash offers files.
  case "$path $prev" in
    ${valued.join(' | ')}) return ;;
  esac
  case $path in
${words.join('\n')}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o default -F _twowatt twowatt
`;
}

const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
