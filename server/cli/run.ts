/**
 * `packkv run`: one prompt and its answer, or without a prompt a chat in the terminal.
 *
 * @module
 */

import { EngineError } from "../../mod.ts";
import { withBos } from "../../src/tokenizer/with_bos.ts";
import { ensureModel } from "../setup/model_path.ts";
import type { ServedModel } from "../state.ts";
import { chat } from "./chat/chat.ts";
import type { ChatSettings } from "./chat/session.ts";
import { CHAT_TEMPLATE_FLAGS, readChatTemplate } from "./chat_template_flag.ts";
import type { Command } from "./command.ts";
import { ENGINE_FLAGS, readEngineFlags } from "./engine_flags.ts";
import { type Flags, parseFlags, type Settings } from "./flags.ts";
import { loadServedModel } from "./load_model.ts";
import { describeFinish, printAnswer, printText } from "./print_answer.ts";
import { CONFIG_FLAGS } from "./settings.ts";
import { UsageError } from "./usage_error.ts";

const INTERRUPTED_EXIT_CODE = 130;
const STOP_LIMIT_MS = 1000;
const SEED_COUNT = 2 ** 32;

/** The command. */
export const runCommand: Command = {
  name: "run",
  summary: "chat in the terminal, or answer one prompt",
  usage: "[flags] [PROMPT]",
  flags: {
    "max-tokens": {
      value: "N",
      help: "most tokens of the answer (default: what the context has room for)",
    },
    temperature: { value: "T", help: "0 always takes the likeliest token (default: 0.7)" },
    "top-p": { value: "P", help: "keep the likeliest tokens that add up to P (default: 0.95)" },
    seed: { value: "N", help: "same seed, same answer (default: random)" },
    system: { value: "TEXT", help: "system message" },
    raw: { help: "complete the prompt as it is, without the chat template" },
    ...ENGINE_FLAGS,
    ...CHAT_TEMPLATE_FLAGS,
    ...CONFIG_FLAGS,
  },
  examples: [
    "packkv run",
    'packkv run "What is a GPU?"',
    'packkv run --temperature 0 --max-tokens 40 "Name three colours."',
    'packkv run "Sum this up:" < report.txt',
    'packkv run --system "Answer in French." --ctx 4096',
    'packkv run --raw "Once upon a time"',
  ],
  notes: [
    "Without a prompt, in a terminal, it chats: Ctrl-C stops an answer, Ctrl-D leaves, /help shows",
    "the rest. What is piped in comes before the prompt. Answers go to stdout, all else to stderr.",
  ],
  needsGpu: true,
  isConfigurable: true,
  run,
};

async function run(args: readonly string[], inherited: Settings): Promise<number> {
  const flags = parseFlags(args, runCommand.flags, inherited);
  const engineRequest = readEngineFlags(flags);
  const settings = readChatSettings(flags);
  const templateSource = await readChatTemplate(flags);
  const prompt = await readPrompt(flags);
  if (prompt === null && flags.has("raw")) {
    throw new UsageError("Cannot chat with --raw: it completes one prompt, and there is none");
  }
  const modelPath = await ensureModel(engineRequest.model);
  // One sequence needs no memory for more, unless the user wants to see that.
  const options = { sequenceCountMax: 1, ...engineRequest.options };
  const load = () => loadServedModel(modelPath, options, { templateSource });
  if (prompt !== null) return await answerOnce(load, { prompt, settings, isRaw: flags.has("raw") });
  const model = await load();
  try {
    await chat(model, settings);
    return 0;
  } finally {
    await model.engine.close();
  }
}

async function answerOnce(
  load: () => Promise<ServedModel>,
  { prompt, settings, isRaw }: { prompt: string; settings: ChatSettings; isRaw: boolean },
): Promise<number> {
  const { signal } = abortOnInterrupt();
  const model = await load();
  try {
    const promptIds = promptTokens(model, prompt, { settings, isRaw });
    const roomCount = Math.max(1, model.engine.info.contextLength - promptIds.length);
    const { temperature, topP, seed, maxTokens } = settings;
    const { finish } = await printAnswer(model, {
      promptIds,
      maxTokens: maxTokens ?? roomCount,
      sampling: { temperature, topP, seed: seed ?? crypto.getRandomValues(new Uint32Array(1))[0] },
      signal,
    });
    printText("\n");
    if (finish === null) return INTERRUPTED_EXIT_CODE;
    console.error(`packkv: ${describeFinish(finish)}`);
    return 0;
  } finally {
    await model.engine.close();
  }
}

/** Aborted by Ctrl-C; the process always ends within two seconds of it. */
function abortOnInterrupt(): AbortController {
  const abort = new AbortController();
  Deno.addSignalListener("SIGINT", () => {
    if (abort.signal.aborted) Deno.exit(INTERRUPTED_EXIT_CODE);
    abort.abort(new EngineError("aborted", "Generation ended: interrupted"));
    Deno.unrefTimer(setTimeout(() => Deno.exit(INTERRUPTED_EXIT_CODE), STOP_LIMIT_MS));
  });
  return abort;
}

function readChatSettings(flags: Flags): ChatSettings {
  return {
    system: flags.text("system") ?? "",
    maxTokens: flags.number("max-tokens", { min: 1, max: 2 ** 24, isInteger: true }),
    temperature: flags.number("temperature", { min: 0, max: 100 }) ?? 0.7,
    topP: flags.number("top-p", { min: 1e-6, max: 1 }) ?? 0.95,
    seed: flags.number("seed", { min: 0, max: SEED_COUNT - 1, isInteger: true }),
  };
}

/** The prompt; null asks for a chat, which needs a terminal on both sides. */
async function readPrompt(flags: Flags): Promise<string | null> {
  const isTyped = Deno.stdin.isTerminal();
  const piped = isTyped ? "" : await new Response(Deno.stdin.readable).text();
  const parts = [piped.trimEnd(), flags.positionals.join(" ")].filter((part) => part !== "");
  if (parts.length > 0) return parts.join("\n\n");
  if (isTyped && Deno.stdout.isTerminal()) return null;
  throw new UsageError('Cannot run: there is no prompt; give one, as in: packkv run "Hello"');
}

function promptTokens(
  { tokenizer, chatTemplate }: ServedModel,
  prompt: string,
  { settings, isRaw }: { settings: ChatSettings; isRaw: boolean },
): number[] {
  if (isRaw || chatTemplate === null) {
    return withBos(tokenizer, tokenizer.tokenize(prompt, { parseSpecial: true }));
  }
  const { system } = settings;
  const messages = [
    ...(system === "" ? [] : [{ role: "system", content: system }]),
    { role: "user", content: prompt },
  ];
  return chatTemplate.render(messages, { addGenerationPrompt: true }).ids;
}
