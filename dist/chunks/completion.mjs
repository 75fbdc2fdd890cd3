// src/cli/completion.ts
/** Bash 3.2 has no compopt, and completes files then. */
const BASH_DIRECTORIES = "compopt -o dirnames 2> /dev/null";
/** A script that completes what `program` takes; the shell reads it at its start. */
function completionScript(program, shell) {
	const words = wordsOf(program);
	switch (shell) {
		case "bash": return bashScript(words);
		case "zsh": return zshScript(words);
		case "fish": return fishScript(words);
	}
}
function wordsOf(program) {
	const help = program.createHelp();
	const flagsOf = (command) => help.visibleOptions(command).flatMap((option) => flagOf(option) ?? []);
	const flags = flagsOf(program);
	return {
		name: program.name(),
		identifier: `_${program.name().replaceAll(/\W/g, "_")}`,
		flags,
		commands: help.visibleCommands(program).map((command) => {
			const own = flagsOf(command);
			const known = /* @__PURE__ */ new Set(["--version", ...own.map(({ name }) => name)]);
			return {
				name: command.name(),
				description: oneLine(command.description()),
				flags: [...own, ...flags.filter(({ name }) => !known.has(name))],
				operands: command.registeredArguments.map(operandOf)
			};
		})
	};
}
function flagOf(option) {
	if (option.long === void 0) return;
	const [, placeholder] = option.flags.match(/[<[](.+?)[\]>]/) ?? [];
	const isRepeatable = option.variadic || Array.isArray(option.defaultValue);
	return {
		name: option.long,
		description: oneLine(option.description),
		value: placeholder === void 0 ? void 0 : describeValue(placeholder, isRepeatable, option.argChoices)
	};
}
function operandOf(argument) {
	const value = describeValue(argument.name(), argument.variadic, argument.argChoices);
	return value.kind === "other" && argument.variadic ? {
		...value,
		kind: "file"
	} : value;
}
function describeValue(placeholder, isRepeatable, choices) {
	return {
		placeholder,
		kind: choices !== void 0 ? "choice" : /\b(?:file|record)\b/.test(placeholder) ? "file" : /\bdir\b/.test(placeholder) ? "directory" : "other",
		choices: choices ?? [],
		isRepeatable
	};
}
function oneLine(text) {
	return text.replaceAll(/[\s\p{Cc}]+/gu, " ").trim();
}
/** Where nothing of ours fits, readline completes file names. Bash 3.2 of macOS reads it too. */
function bashScript({ name, identifier, flags, commands }) {
	const cases = commands.flatMap((command) => {
		const label = (flag) => `${quote(command.name)}:${quote(flag.name)}`;
		const withValue = (kind) => command.flags.filter(({ value }) => value?.kind === kind);
		const files = [...withValue("file"), ...withValue("other")].map(label);
		const directories = withValue("directory").map(label);
		return [
			...withValue("choice").map((flag) => `${label(flag)}) ${bashWords(flag.value?.choices ?? [])} ;;`),
			...directories.length > 0 ? [`${directories.join(" | ")}) ${BASH_DIRECTORIES} ;;`] : [],
			...files.length > 0 ? [`${files.join(" | ")}) ;;`] : [],
			...bashOperand(command)
		];
	});
	return `# bash completion for ${name}
${identifier}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}"
  local command='' index word
  local -a words
  words=()
  COMPREPLY=()
  # Bash takes --option=value for three words.
  if [[ $current == '=' ]]; then
    current=''
  elif [[ $previous == '=' ]]; then
    previous="\${COMP_WORDS[COMP_CWORD - 2]}"
  fi
  for ((index = 1; index < COMP_CWORD; index += 1)); do
    case "\${COMP_WORDS[index]}" in
      --) return ;;
      -*) ;;
      *) command="\${command:-\${COMP_WORDS[index]}}" ;;
    esac
  done
  case "$command:$previous" in
    :*) ${bashWords([...commands, ...flags].map((word) => word.name))} ;;
    ${cases.join("\n    ")}
  esac
  for word in "\${words[@]}"; do
    if [[ $word == "$current"* ]]; then
      COMPREPLY+=("$(printf %q "$word")")
    fi
  done
}
complete -o default -F ${identifier} ${quote(name)}
`;
}
function bashOperand({ name, flags, operands: [operand] }) {
	const options = bashWords(flags.map((flag) => flag.name));
	return operand === void 0 ? [`${quote(name)}:*) ${options} ;;`] : [
		`${quote(name)}:*)`,
		`  case "$current" in`,
		`    -*) ${options} ;;`,
		`    *) ${bashWords(operand.choices)} ;;`,
		`  esac`,
		`  ;;`
	];
}
function bashWords(words) {
	return `words=(${words.map(quote).join(" ")})`;
}
function zshScript({ name, identifier, flags, commands }) {
	const described = commands.map((command) => quote(`${command.name.replaceAll(":", "\\:")}:${command.description}`));
	const cases = commands.map((command) => {
		const specs = [...command.flags.map(zshFlag), ...command.operands.map(zshOperand)];
		return `${quote(command.name)})
          _arguments -S : \\
            ${specs.map(quote).join(" \\\n            ")}
          ;;`;
	});
	return `#compdef ${name}
${identifier}() {
  local curcontext="$curcontext" state line
  typeset -A opt_args
  local -a commands
  commands=(
    ${described.join("\n    ")}
  )
  _arguments -C : \\
    ${flags.map((flag) => quote(zshFlag(flag))).join(" \\\n    ")} \\
    '1: :->command' \\
    '*:: :->rest'
  case $state in
    command) _describe command commands ;;
    rest)
      case $line[1] in
        ${cases.join("\n        ")}
      esac
      ;;
  esac
}
# From a directory of $fpath it is loaded as the function; in ~/.zshrc, after compinit, it is read.
if [[ $funcstack[1] == ${quote(`_${name}`)} ]]; then
  ${identifier} "$@"
else
  compdef ${identifier} ${quote(name)}
fi
`;
}
function zshFlag({ name, description, value }) {
	const text = `[${description.replaceAll(/[\\[\]]/g, "\\$&")}]`;
	return value === void 0 ? `${name}${text}` : `${value.isRepeatable ? "*" : ""}${name}=${text}:${zshMessage(value)}:${zshAction(value)}`;
}
function zshOperand(value, index) {
	return `${value.isRepeatable ? "*" : `${index + 1}:`}:${zshMessage(value)}:${zshAction(value)}`;
}
function zshMessage({ placeholder }) {
	return placeholder.replaceAll(/[\\:]/g, "\\$&");
}
function zshAction(value) {
	switch (value.kind) {
		case "choice": return `(${value.choices.map((choice) => choice.replaceAll(/[^\w./-]/g, "\\$&")).join(" ")})`;
		case "file": return "_files";
		case "directory": return "_directories";
		case "other": return " ";
	}
}
function fishScript({ name, flags, commands }) {
	const complete = (condition, ...words) => [
		"complete -c",
		fishQuote(name),
		"-n",
		fishQuote(condition),
		...words
	].join(" ");
	const flagLine = (condition) => (flag) => complete(condition, `-l ${fishQuote(flag.name.slice(2))}`, ...flag.value === void 0 ? [] : [fishValue(flag.value)], `-d ${fishQuote(flag.description)}`);
	const lines = commands.flatMap((command) => {
		const isUsed = `__fish_seen_subcommand_from ${fishQuote(command.name)}`;
		return [
			complete("__fish_use_subcommand", `-a ${fishQuote(fishQuote(command.name))}`, `-d ${fishQuote(command.description)}`),
			...command.flags.map(flagLine(isUsed)),
			...command.operands.slice(0, 1).map((operand) => complete(isUsed, fishOperand(operand)))
		];
	});
	return `# fish completion for ${name}
complete -c ${fishQuote(name)} -f
${[...flags.map(flagLine("__fish_use_subcommand")), ...lines].join("\n")}
`;
}
function fishValue(value) {
	return value.kind === "file" ? "-r -F" : ["-x", fishOperand(value)].join(" ").trimEnd();
}
function fishOperand(value) {
	switch (value.kind) {
		case "choice": return `-a ${fishQuote(value.choices.map(fishQuote).join(" "))}`;
		case "file": return "-F";
		case "directory": return `-a '(__fish_complete_directories)'`;
		case "other": return "";
	}
}
/** For bash and zsh. */
function quote(text) {
	return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
function fishQuote(text) {
	return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll(/[\\']/g, "\\$&")}'`;
}
export { completionScript };
