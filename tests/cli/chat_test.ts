import { assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { withTinyModel } from "../support/tiny_engine.ts";
import { Terminal } from "./terminal.ts";

const MAIN = fileURLToPath(new URL("../../server/main.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const ignore = Deno.build.os !== "linux";

function command(modelPath: string, ...args: string[]): string[] {
  const program = [Deno.execPath(), "run", "-A", "--config", CONFIG, MAIN];
  return [
    ...program,
    "run",
    "--model",
    modelPath,
    "--profile",
    "paper",
    "--temperature",
    "0",
    ...args,
  ];
}

/** A model that never ends by itself, and has room for more than a test waits for. */
const LONG = { contextLength: 16_384 };

/** The prompt, once the chat waits for input. */
const PROMPT = /\n> $/;

Deno.test({
  name: "packkv run chats in a terminal: Ctrl-C stops the answer, Ctrl-D leaves with 0",
  ignore,
  fn: () =>
    withTinyModel(LONG, async (path) => {
      const terminal = new Terminal(command(path));
      await terminal.until(/Chatting with tiny\. \/help shows/);
      await terminal.until(PROMPT);

      await terminal.type("/help\r");
      assertMatch(await terminal.until(PROMPT), /\/file PATH\s+read a text file/);

      await terminal.type("first question\r");
      await terminal.until(/first question\n[^\n]/);
      await terminal.type("\x03");
      await terminal.until(/stopped/);
      await terminal.until(PROMPT);

      await terminal.type("/set max-tokens 5\r");
      await terminal.until(/max-tokens is 5\./);
      await terminal.until(PROMPT);
      await terminal.type("second question\r");
      assertMatch(await terminal.until(PROMPT), /answer 5 tokens .*, cut at its length/);

      await terminal.type("/stats\r");
      assertMatch(await terminal.until(PROMPT), /conversation \d+ of \d+ tokens\ncache /);

      await terminal.type("half a line\x03");
      await terminal.type("\x03");
      await terminal.until(/Ctrl-D or \/exit leaves/);
      await terminal.type("\x04");
      assertEquals(await terminal.end(), 0);
    }),
});

Deno.test({
  name: "packkv run ends well if Ctrl-C comes while it leaves",
  ignore,
  fn: () =>
    withTinyModel({}, async (path) => {
      const terminal = new Terminal(command(path));
      await terminal.until(PROMPT);
      await terminal.type("\x04");
      const ended = terminal.end();
      for (let count = 0; count < 300; count++) {
        await terminal.type("\x03").catch(() => {}); // it may be gone by now
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      assertEquals(await ended, 0);
    }),
});

Deno.test({
  name: "packkv run keeps a paste and lines between quotes together, and tells wrong commands",
  ignore,
  fn: () =>
    withTinyModel({}, async (path) => {
      const terminal = new Terminal(command(path, "--max-tokens", "3"));
      await terminal.until(PROMPT);
      await terminal.type("one\rtwo\r");
      const pasted = await terminal.until(/answer 3 tokens/);
      assertEquals(pasted.match(/prompt \d+ tokens/g)?.length, 1);
      await terminal.until(PROMPT);
      await terminal.type('"""three\r');
      await terminal.until(/\.\.\. $/);
      await terminal.type('four"""\r');
      await terminal.until(/answer 3 tokens/);
      await terminal.until(PROMPT);
      const wrong: [string, RegExp][] = [
        ["/hlp", /Cannot understand \/hlp: no such command; did you mean \/help\?/],
        ["/file /nowhere/x", /Cannot read \/nowhere\/x: /],
        ["/set sed 1", /Cannot set sed: no such setting; did you mean seed\?/],
        ["/set seed 1.5", /Cannot set seed to 1\.5: must be a whole number/],
      ];
      for (const [text, message] of wrong) {
        await terminal.type(`${text}\r`);
        assertMatch(await terminal.until(PROMPT), message);
      }
      await terminal.type("/exit\r");
      assertEquals(await terminal.end(), 0);
    }),
});

Deno.test({
  name: "packkv run with a prompt ends at Ctrl-C with 130 and keeps what was printed",
  ignore,
  fn: () =>
    withTinyModel(LONG, async (path) => {
      const terminal = new Terminal(command(path, "--raw", "asked"));
      // What the model says is longer than any word of what loading says.
      await terminal.until(/%[^\s%]{12}/);
      await terminal.type("\x03");
      assertEquals(await terminal.end(), 130);
    }),
});

Deno.test("packkv run puts what is piped in before the prompt, and only the answer on stdout", () =>
  withTinyModel({}, async (path) => {
    const [program, ...args] = command(path, "--max-tokens", "4", "--raw", "asked");
    const run = async (piped: string) => {
      const child = new Deno.Command(program, {
        args,
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const input = child.stdin.getWriter();
      await input.write(new TextEncoder().encode(piped));
      await input.close();
      const { code, stdout, stderr } = await child.output();
      const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      return { code, out, errors };
    };
    const { code, out, errors } = await run("a document\n");
    assertEquals(code, 0, errors);
    assertEquals(out.trim() !== "" && out.endsWith("\n"), true);
    // "a document", an empty line and "asked" by their bytes, less the merges of the vocabulary.
    const tokens = (text: string) => Number(/prompt (\d+) tokens/.exec(text)?.[1]);
    assertEquals(tokens(errors) > tokens((await run("")).errors), true, errors);
  }));
