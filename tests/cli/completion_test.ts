import { assertEquals, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../server/cli/commands.ts";
import { completionCommand } from "../../server/cli/completion.ts";

/** The script for a shell, as the command prints it. */
async function scriptFor(shell: string): Promise<string> {
  const log = console.log;
  let script = "";
  console.log = (text: string) => script = text;
  try {
    await completionCommand(() => COMMANDS).run([shell], new Map());
  } finally {
    console.log = log;
  }
  return script;
}

/** Runs `text` in a shell; null where the machine has none. */
async function runShell(shell: string, args: string[], text: string): Promise<string | null> {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, text);
    const command = new Deno.Command(shell, { args: [...args, file], stdin: "null" });
    const { code, stdout, stderr } = await command.output();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
    return new TextDecoder().decode(stdout);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log(`${shell} is missing: its completion was not run`);
    return null;
  } finally {
    await Deno.remove(file);
  }
}

/** Words typed so far, the last one unfinished, and what must and must not be offered. */
const CASES: [string[], string[], string[]][] = [
  [["se"], ["serve"], ["run", "bench"]],
  [["serve", "--po"], ["--port"], ["--profile"]],
  [["serve", "--profile", ""], ["exact", "paper"], ["--port"]],
  [["bench", "--pee"], ["--peer"], ["--url"]],
  [["bench", "se"], ["serve"], ["--peer"]],
  [["bench", "serve", "--ur"], ["--url"], ["--peer"]],
  [["completion", ""], ["bash", "zsh", "fish"], []],
];

Deno.test("bash completes commands, flags and values", async () => {
  const script = await scriptFor("bash");
  for (const [words, wanted, unwanted] of CASES) {
    const quoted = ["packkv", ...words].map((word) => `'${word}'`).join(" ");
    const text = `${script}\nCOMP_WORDS=(${quoted})\nCOMP_CWORD=${words.length}\n_packkv\n` +
      'printf "%s\\n" "${COMPREPLY[@]}"\n';
    const output = await runShell("bash", ["--norc"], text);
    if (output === null) return;
    const offered = output.trim().split("\n");
    for (const word of wanted) assertEquals(offered.includes(word), true, `${words}: ${output}`);
    for (const word of unwanted) assertEquals(offered.includes(word), false, `${words}: ${output}`);
  }
});

Deno.test("fish completes commands, flags and values", async () => {
  const script = await scriptFor("fish");
  for (const [words, wanted, unwanted] of CASES) {
    const text = `${script}\ncomplete -C 'packkv ${words.join(" ")}'\n`;
    const output = await runShell("fish", ["--no-config"], text);
    if (output === null) return;
    const offered = output.trim().split("\n").map((line) => line.split("\t")[0]);
    for (const word of wanted) assertEquals(offered.includes(word), true, `${words}: ${output}`);
    for (const word of unwanted) assertEquals(offered.includes(word), false, `${words}: ${output}`);
  }
});

Deno.test("the script for zsh is one that zsh reads, with every flag's help", async () => {
  const script = await scriptFor("zsh");
  assertStringIncludes(
    script,
    "'--port[port to listen on, 0 for any free one (default\\: 8000)]:PORT:'",
  );
  const text = `autoload -Uz compinit\ncompinit -D -u\n${script}\nwhich _packkv > /dev/null\n`;
  await runShell("zsh", ["-f"], text);
});
