/**
 * What can be said to the terminal chat itself: lines that begin with a slash.
 *
 * @module
 */

import { nearest } from "../nearest.ts";
import type { ChatSession } from "./session.ts";

/** What a command has to go by. */
export interface CommandContext {
  session: ChatSession;
  /** Prints a line for the user. */
  say: (text: string) => void;
  /** Bytes of the cache in one line. */
  describeCache: () => Promise<string>;
}

/** What to do after a command. */
export type Outcome = "go on" | "answer" | "leave";

interface SlashCommand {
  name: string;
  /** What may follow it. */
  usage: string;
  help: string;
  run(text: string, context: CommandContext): Outcome | Promise<Outcome>;
}

const COMMANDS: readonly SlashCommand[] = [
  {
    name: "help",
    usage: "",
    help: "show this list",
    run: (_, { say }) => {
      say(describeSlashCommands());
      return "go on";
    },
  },
  {
    name: "new",
    usage: "",
    help: "begin another conversation",
    run: (_, { session, say }) => {
      session.clear();
      say("A new conversation.");
      return "go on";
    },
  },
  { name: "file", usage: "PATH", help: "read a text file with the next question", run: attach },
  {
    name: "system",
    usage: "[TEXT]",
    help: "set the system message; without TEXT there is none",
    run: (text, { session, say }) => {
      session.settings.system = text;
      say(text === "" ? "No system message." : "The system message is set.");
      return "go on";
    },
  },
  { name: "set", usage: "[NAME VALUE]", help: "show or change how answers are made", run: set },
  {
    name: "retry",
    usage: "",
    help: "answer the last question again",
    run: (_, { session, say }) => {
      if (session.retry()) return "answer";
      say("There is no question yet.");
      return "go on";
    },
  },
  {
    name: "stats",
    usage: "",
    help: "show what the conversation takes",
    run: async (_, { session, say, describeCache }): Promise<Outcome> => {
      const { used, limit } = session.tokenCounts;
      say(`conversation ${used} of ${limit} tokens\n${await describeCache()}`);
      return "go on";
    },
  },
  { name: "exit", usage: "", help: "leave, as Ctrl-D does", run: () => "leave" },
];

const ALIASES: Readonly<Record<string, string>> = { quit: "exit", bye: "exit", "?": "help" };

const HINTS = [
  'Ctrl-C stops an answer, or clears the line. Lines between two """ are one message.',
];

/** Help on all commands, aligned. */
export function describeSlashCommands(): string {
  const heads = COMMANDS.map(({ name, usage }) => `/${name} ${usage}`.trimEnd());
  const width = Math.max(...heads.map((head) => head.length));
  return [
    ...COMMANDS.map(({ help }, index) => `  ${heads[index].padEnd(width)}  ${help}`),
    ...HINTS,
  ].join("\n");
}

/** Whether a message is a command: a path or a fraction is none. */
export function isSlashCommand(text: string): boolean {
  return /^\/[a-z?]*(\s|$)/i.test(text);
}

/** Runs a command; a wrong one is reported, and changes nothing. */
export async function runSlashCommand(text: string, context: CommandContext): Promise<Outcome> {
  const [, word, rest] = /^\/(\S*)\s*([\s\S]*)$/.exec(text)!;
  const name = ALIASES[word.toLowerCase()] ?? word.toLowerCase();
  const command = COMMANDS.find((each) => each.name === name);
  if (command !== undefined) return await command.run(rest.trim(), context);
  const guess = nearest(name, COMMANDS.map((each) => each.name));
  const hint = guess === null ? "/help shows all" : `did you mean /${guess}?`;
  context.say(`Cannot understand /${word}: no such command; ${hint}`);
  return "go on";
}

async function attach(path: string, { session, say }: CommandContext): Promise<Outcome> {
  if (path === "") {
    say("Cannot read a file: name it, as in /file report.txt");
    return "go on";
  }
  try {
    const bytes = await Deno.readFile(path);
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    session.attach(path.split(/[\\/]/).at(-1)!, text);
    say(`${path} (${bytes.length} bytes) will be read with the next question.`);
  } catch (error) {
    const isText = !(error instanceof TypeError);
    const reason = isText ? (error as Error).message : "it is no text in UTF-8";
    say(`Cannot read ${path}: ${reason}`);
  }
  return "go on";
}

const NUMBERS = {
  temperature: { field: "temperature", min: 0, max: 100, isInteger: false },
  "top-p": { field: "topP", min: 1e-6, max: 1, isInteger: false },
  seed: { field: "seed", min: 0, max: 2 ** 32 - 1, isInteger: true },
  "max-tokens": { field: "maxTokens", min: 1, max: 2 ** 24, isInteger: true },
} as const;

function set(text: string, { session, say }: CommandContext): Outcome {
  const { settings } = session;
  const [name = "", value] = text.split(/\s+/);
  if (name === "") {
    const shown = Object.entries(NUMBERS).map(([each, { field }]) =>
      `  ${each.padEnd(11)}  ${settings[field] ?? "none"}`
    );
    say(shown.join("\n"));
    return "go on";
  }
  const spec = NUMBERS[name as keyof typeof NUMBERS];
  if (!Object.hasOwn(NUMBERS, name)) {
    const guess = nearest(name, Object.keys(NUMBERS));
    const hint = guess === null ? "/set shows all" : `did you mean ${guess}?`;
    say(`Cannot set ${name}: no such setting; ${hint}`);
    return "go on";
  }
  const number = Number(value);
  const isFine = value !== undefined && number >= spec.min && number <= spec.max &&
    (!spec.isInteger || Number.isInteger(number));
  if (!isFine) {
    const kind = spec.isInteger ? "a whole number" : "a number";
    say(`Cannot set ${name} to ${value}: must be ${kind} from ${spec.min} to ${spec.max}`);
    return "go on";
  }
  settings[spec.field] = number;
  say(`${name} is ${number}.`);
  return "go on";
}
