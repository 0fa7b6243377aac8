/**
 * `packkv run`: one prompt from the terminal, its answer streamed.
 *
 * @module
 */

import { EngineError, type GenerateEvent, type SamplingOptions } from "../../mod.ts";
import { StreamDetokenizer } from "../../src/tokenizer/stream_detokenizer.ts";
import { ensureModel } from "../setup/model_path.ts";
import type { ServedModel } from "../state.ts";
import type { Command } from "./command.ts";
import { ENGINE_FLAGS, readEngineFlags } from "./engine_flags.ts";
import { type Flags, parseFlags } from "./flags.ts";
import { loadServedModel } from "./load_model.ts";
import { UsageError } from "./usage_error.ts";

const INTERRUPTED_EXIT_CODE = 130;
const STOP_LIMIT_MS = 1000;
const SEED_COUNT = 2 ** 32;

/** The command. */
export const runCommand: Command = {
  name: "run",
  summary: "answer one prompt in the terminal",
  usage: "[flags] PROMPT",
  flags: {
    "max-tokens": { value: "N", help: "most tokens of the answer (default: what the context has)" },
    temperature: { value: "T", help: "0 always takes the likeliest token (default: 0.7)" },
    "top-p": { value: "P", help: "keep the likeliest tokens that add up to P (default: 0.95)" },
    seed: { value: "N", help: "same seed, same answer (default: random)" },
    system: { value: "TEXT", help: "system message" },
    raw: { help: "complete the prompt as it is, without the chat template" },
    ...ENGINE_FLAGS,
  },
  examples: [
    'packkv run "What is a GPU?"',
    'packkv run --temperature 0 --max-tokens 40 "Name three colours."',
    'packkv run "Sum this up:" < report.txt',
    'packkv run --raw "Once upon a time"',
  ],
  notes: ["What is piped in comes before the prompt. Ctrl-C ends the answer."],
  run,
};

async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, runCommand.flags);
  const engineRequest = readEngineFlags(flags);
  const sampling = readSampling(flags);
  const maxTokens = flags.number("max-tokens", { min: 1, max: 2 ** 24, isInteger: true });
  const prompt = await readPrompt(flags);
  const modelPath = await ensureModel(engineRequest.model);
  const abort = abortOnInterrupt();
  // One sequence needs no memory for more, unless the user wants to see that.
  const model = await loadServedModel(modelPath, {
    sequenceCountMax: 1,
    ...engineRequest.options,
  });
  try {
    abort.signal.throwIfAborted();
    const promptIds = promptTokens(model, prompt, flags);
    const roomCount = Math.max(1, model.engine.info.contextLength - promptIds.length);
    const events = model.engine.generate({
      promptIds,
      maxTokens: maxTokens ?? roomCount,
      sampling,
      signal: abort.signal,
    });
    await printAnswer(model, events);
    return 0;
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    printText("\n");
    return INTERRUPTED_EXIT_CODE;
  } finally {
    await model.engine.close();
  }
}

/** Aborted by Ctrl-C; the process ends within two seconds of it whatever happens. */
function abortOnInterrupt(): AbortController {
  const abort = new AbortController();
  Deno.addSignalListener("SIGINT", () => {
    if (abort.signal.aborted) Deno.exit(INTERRUPTED_EXIT_CODE);
    abort.abort(new EngineError("aborted", "Generation ended: interrupted"));
    Deno.unrefTimer(setTimeout(() => Deno.exit(INTERRUPTED_EXIT_CODE), STOP_LIMIT_MS));
  });
  return abort;
}

function readSampling(flags: Flags): Partial<SamplingOptions> {
  return {
    temperature: flags.number("temperature", { min: 0, max: 100 }) ?? 0.7,
    topP: flags.number("top-p", { min: 1e-6, max: 1 }) ?? 0.95,
    seed: flags.number("seed", { min: 0, max: SEED_COUNT - 1, isInteger: true }) ??
      crypto.getRandomValues(new Uint32Array(1))[0],
  };
}

async function readPrompt(flags: Flags): Promise<string> {
  const piped = Deno.stdin.isTerminal() ? "" : await new Response(Deno.stdin.readable).text();
  const parts = [piped.trimEnd(), flags.positionals.join(" ")].filter((part) => part !== "");
  if (parts.length === 0) {
    throw new UsageError('Cannot run: there is no prompt; give one, as in: packkv run "Hello"');
  }
  return parts.join("\n\n");
}

function promptTokens(model: ServedModel, prompt: string, flags: Flags): number[] {
  const { tokenizer, chatTemplate } = model;
  const system = flags.text("system");
  if (flags.has("raw") || chatTemplate === null) {
    const ids = tokenizer.tokenize(prompt, { parseSpecial: true });
    return tokenizer.addBos && tokenizer.bosId !== null ? [tokenizer.bosId, ...ids] : ids;
  }
  const messages = [
    ...(system === null ? [] : [{ role: "system", content: system }]),
    { role: "user", content: prompt },
  ];
  return chatTemplate.render(messages, { addGenerationPrompt: true }).ids;
}

async function printAnswer(
  { tokenizer }: ServedModel,
  events: AsyncIterable<GenerateEvent>,
): Promise<void> {
  const detokenizer = new StreamDetokenizer(tokenizer);
  for await (const event of events) {
    if (event.type === "token") printText(detokenizer.push(event.id));
    if (event.type !== "finish") continue;
    printText(`${detokenizer.flush()}\n`);
    const { promptTokenCount, completionTokenCount, timings } = event;
    const perSecond = (count: number, ms: number) => (count * 1000 / Math.max(ms, 1)).toFixed(1);
    console.error(
      `packkv: prompt ${promptTokenCount} tokens (${
        perSecond(promptTokenCount, timings.prefillMs)
      }/s), answer ${completionTokenCount} tokens (${
        perSecond(completionTokenCount, timings.decodeMs)
      }/s)${event.reason === "length" ? ", cut at its length" : ""}`,
    );
  }
}

function printText(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let offset = 0; offset < bytes.length;) {
    offset += Deno.stdout.writeSync(bytes.subarray(offset));
  }
}
