/**
 * `packkv bench speculation`: what guessing ahead gains on code that is edited, and on prose.
 *
 * @module
 */

import { createEngine, loadTokenizer } from "../../mod.ts";
import { withBos } from "../../src/tokenizer/with_bos.ts";
import {
  formatSpeculation,
  measureSpeculation,
  type SpeculationPrompt,
} from "../measure/speculation.ts";
import { ensureModel } from "../setup/model_path.ts";
import { ProgressLine } from "../setup/progress.ts";
import type { Command } from "./command.ts";
import { CODEC_FLAGS, readProfile } from "./codec_flags.ts";
import { parseFlags } from "./flags.ts";

const TOKENS_DEFAULT = 256;
const ROUNDS_DEFAULT = 3;

/** A file that the model is asked to write again with a change. */
const CODE = `class Account:
    def __init__(self, owner, balance=0):
        self.owner = owner
        self.balance = balance
        self.history = []

    def deposit(self, amount):
        if amount <= 0:
            raise ValueError("the amount must be positive")
        self.balance += amount
        self.history.append(("deposit", amount))

    def withdraw(self, amount):
        if amount <= 0:
            raise ValueError("the amount must be positive")
        if amount > self.balance:
            raise ValueError("the balance is too low")
        self.balance -= amount
        self.history.append(("withdraw", amount))

    def statement(self):
        lines = [f"statement of {self.owner}"]
        for kind, amount in self.history:
            lines.append(f"{kind}: {amount}")
        lines.append(f"balance: {self.balance}")
        return "\\n".join(lines)
`;

/** Texts that the model continues. */
const TEXTS: readonly { name: string; text: string; temperature: number }[] = [
  {
    name: "code",
    text: `The file as it is:\n\n\`\`\`python\n${CODE}\`\`\`\n\n` +
      "The whole file again, with the method withdraw renamed to take:\n\n```python\n",
    temperature: 0,
  },
  {
    name: "prose",
    text:
      "The storm had been coming since noon, and the keeper of the lighthouse had seen it first",
    temperature: 0.8,
  },
];

/** The command. */
export const benchSpeculationCommand: Command = {
  name: "bench speculation",
  summary: "measure what guessing ahead gains on code and on prose",
  usage: "[flags]",
  flags: {
    ...CODEC_FLAGS,
    tokens: { value: "N", help: `tokens of an answer (default: ${TOKENS_DEFAULT})` },
    rounds: { value: "N", help: `answers of each kind (default: ${ROUNDS_DEFAULT})` },
    json: { help: "print one JSON object" },
  },
  examples: ["packkv bench speculation", "packkv bench speculation --rounds 5 --json"],
  notes: ["Ratios are medians over rounds with and without, one after the other."],
  needsGpu: true,
  run,
};

async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, benchSpeculationCommand.flags);
  flags.refusePositionals();
  const range = { min: 1, max: 4096, isInteger: true };
  const counts = {
    tokenCount: flags.number("tokens", range) ?? TOKENS_DEFAULT,
    roundCount: flags.number("rounds", { ...range, max: 100 }) ?? ROUNDS_DEFAULT,
  };
  const progress = new ProgressLine();
  const modelPath = await ensureModel(flags.text("model"));
  const tokenizer = await loadTokenizer(modelPath);
  const prompts: SpeculationPrompt[] = TEXTS.map(({ text, ...prompt }) => {
    const ids = tokenizer.tokenize(text, { parseSpecial: false });
    return { ...prompt, promptIds: withBos(tokenizer, ids) };
  });
  const profile = readProfile(flags);
  const engine = await createEngine({ modelPath, profile, onProgress: progress.update });
  try {
    progress.update("measuring");
    await measureSpeculation(engine, prompts, { tokenCount: 8, roundCount: 1 }); // compiles
    const rates = await measureSpeculation(engine, prompts, counts);
    progress.finish();
    const { adapter, profile: name } = engine.info;
    const report = { adapter, profile: name, ...counts, rates };
    console.log(flags.has("json") ? JSON.stringify(report) : formatSpeculation(rates));
  } finally {
    progress.finish();
    await engine.close();
  }
  return 0;
}
