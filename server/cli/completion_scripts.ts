/**
 * The completion scripts of the shells, from the same tables that parse the command line.
 *
 * @module
 */

/** All that can be completed. */
export type Shape = readonly ShapeCommand[];

interface ShapeCommand {
  /** One word, or two as in `bench serve`. */
  name: string;
  summary: string;
  flags: readonly ShapeFlag[];
}

interface ShapeFlag {
  name: string;
  help: string;
  /** Allowed values, if they are a closed set. */
  choices: readonly string[];
  /** What its value is called; null if it takes none. */
  value: string | null;
  /** Whether its value may be a path. */
  takesPath: boolean;
}

const SHELLS = ["bash", "zsh", "fish"];

function firstWords(shape: Shape): string[] {
  return [...new Set(shape.map(({ name }) => name.split(" ")[0]))];
}

/** What may follow a command of one word, beside its flags. */
function wordsAfter(command: ShapeCommand, shape: Shape): string[] {
  if (command.name === "help") return firstWords(shape);
  if (command.name === "completion") return SHELLS;
  return shape.filter(({ name }) => name.startsWith(`${command.name} `))
    .map(({ name }) => name.slice(command.name.length + 1));
}

/** For bash, without the helpers of the package bash-completion. */
export function bashScript(shape: Shape): string {
  const values = shape.flatMap(({ name, flags }) =>
    flags.filter(({ value }) => value !== null).map((flag) => {
      const reply = flag.choices.length > 0
        ? `COMPREPLY=($(compgen -W "${flag.choices.join(" ")}" -- "$current"))`
        : flag.takesPath
        ? 'COMPREPLY=($(compgen -f -- "$current"))'
        : "COMPREPLY=()";
      return `    "${name} --${flag.name}") ${reply}; return ;;`;
    })
  );
  const words = shape.map((command) => {
    const flags = [...command.flags.map(({ name }) => `--${name}`), "--help"];
    return `    "${command.name}") words="${
      [...wordsAfter(command, shape), ...flags].join(" ")
    }" ;;`;
  });
  const pairs = shape.filter(({ name }) => name.includes(" ")).map(({ name }) => `"${name}"`);
  return [
    "# Completion of packkv for bash.",
    "_packkv() {",
    "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}",
    '  local command=${COMP_WORDS[1]} words=""',
    '  if [ "$COMP_CWORD" -gt 2 ]; then',
    '    case "${COMP_WORDS[1]} ${COMP_WORDS[2]}" in',
    `    ${pairs.join(" | ")}) command="\${COMP_WORDS[1]} \${COMP_WORDS[2]}" ;;`,
    "    esac",
    "  fi",
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    words="${firstWords(shape).join(" ")} --help --version"`,
    '    COMPREPLY=($(compgen -W "$words" -- "$current"))',
    "    return",
    "  fi",
    '  case "$command $previous" in',
    ...values,
    "  esac",
    '  case "$command" in',
    ...words,
    "  esac",
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    "}",
    "complete -F _packkv packkv ./packkv",
  ].join("\n");
}

/** For zsh, where each flag is shown with its help. */
export function zshScript(shape: Shape): string {
  const quote = (text: string) => text.replace(/[[\]:\\]/g, "\\$&").replaceAll("'", "'\\''");
  const flagSpec = ({ name, help, choices, value, takesPath }: ShapeFlag) => {
    const action = choices.length > 0 ? `(${choices.join(" ")})` : takesPath ? "_files" : "";
    return `'--${name}[${quote(help)}]${value === null ? "" : `:${value}:${action}`}'`;
  };
  const cases = shape.map((command) => {
    const more = wordsAfter(command, shape);
    const specs = [...command.flags.map(flagSpec), "'--help[show help]'"];
    if (more.length > 0) specs.push(`'1:word:(${more.join(" ")})'`);
    return `    (${command.name.replace(" ", "\\ ")}) _arguments ${specs.join(" ")} ;;`;
  });
  const pairs = shape.filter(({ name }) => name.includes(" ")).map(({ name }) =>
    name.replace(" ", "\\ ")
  );
  const list = firstWords(shape).map((word) => {
    const { summary } = shape.find(({ name }) => name === word)!;
    return `'${word}:${quote(summary)}'`;
  });
  return [
    "#compdef packkv",
    "# Completion of packkv for zsh.",
    "_packkv() {",
    "  local command=$words[2]",
    `  local -a commands=(${list.join(" ")})`,
    "  if ((CURRENT == 2)); then",
    "    _describe command commands",
    "    return",
    "  fi",
    "  shift words",
    "  ((CURRENT--))",
    "  if ((CURRENT > 2)); then",
    '    case "$command $words[2]" in',
    `    (${pairs.join("|")})`,
    '      command="$command $words[2]"',
    "      shift words",
    "      ((CURRENT--))",
    "      ;;",
    "    esac",
    "  fi",
    "  case $command in",
    ...cases,
    "  esac",
    "}",
    'if [ "$funcstack[1]" = _packkv ]; then _packkv "$@"; else compdef _packkv packkv; fi',
  ].join("\n");
}

/** For fish, where each flag is shown with its help. */
export function fishScript(shape: Shape): string {
  const quote = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const lines = firstWords(shape).map((word) => {
    const { summary } = shape.find(({ name }) => name === word)!;
    return `complete -c packkv -n __fish_use_subcommand -f -a ${word} -d ${quote(summary)}`;
  });
  for (const command of shape) {
    const words = command.name.split(" ");
    const others = words.length > 1 ? [] : wordsAfter(command, shape);
    const condition = [
      ...words.map((word) => `__fish_seen_subcommand_from ${word}`),
      ...(others.length === 0 ? [] : [`not __fish_seen_subcommand_from ${others.join(" ")}`]),
    ].join("; and ");
    const head = `complete -c packkv -n ${quote(condition)}`;
    if (others.length > 0) lines.push(`${head} -f -a ${quote(others.join(" "))}`);
    for (const { name, help, choices, value, takesPath } of command.flags) {
      const kind = value === null ? "-f" : takesPath ? "-r -F" : "-x";
      const list = choices.length === 0 ? "" : ` -a ${quote(choices.join(" "))}`;
      lines.push(`${head} -l ${name} ${kind}${list} -d ${quote(help)}`);
    }
  }
  return ["# Completion of packkv for fish.", ...lines].join("\n");
}
