/**
 * The marks of a model's thoughts, as chat templates write them: one row a family.
 *
 * @module
 */

/** Marks of thoughts, and those around the answer behind them. */
export interface ReasoningForm {
  open: string;
  close: string;
  /** Marks between thoughts and answer that are no part of either. */
  around: readonly string[];
  /** Whether thoughts may come again behind text. */
  isRepeated?: boolean;
}

const COHERE = ["TEXT", "RESPONSE"].flatMap((name) => [`<|START_${name}|>`, `<|END_${name}|>`]);
const KIMI = ["response", "message"].flatMap((name) =>
  ["open", "close"].map((side) => `<|${side}|>${name}<|sep|>`)
);

/** The families; of those whose `open` and `close` a template has, the first counts. */
export const REASONING_FORMS: readonly (ReasoningForm & { signs?: readonly string[] })[] = [
  { open: "<seed:think>", close: "</seed:think>", around: [] },
  { open: "<mm:think>", close: "</mm:think>", around: [] },
  {
    open: "<think:opensource>",
    close: "</think:opensource>",
    around: [],
    signs: ["<think{}>", ":opensource"],
  },
  { open: "<|START_THINKING|>", close: "<|END_THINKING|>", around: COHERE },
  {
    open: "<|open|>think<|sep|>",
    close: "<|close|>think<|sep|>",
    around: KIMI,
    signs: ["<|open|>", "<|close|>", "<|sep|>"],
  },
  { open: "<|channel>thought\n", close: "<channel|>", around: [], signs: ["<|channel>thought"] },
  {
    open: "<|think|>",
    close: "<|end|>",
    around: ["<|begin|>assistant", "<|content|>", "<|tool_calls|>", "<|calls|>", "<|end|>"],
    signs: ["<|begin|>assistant", "<|think|>"],
    isRepeated: true,
  },
  {
    open: "Here are my reasoning steps:",
    close: "[BEGIN FINAL RESPONSE]",
    around: ["[END FINAL RESPONSE]"],
  },
  { open: "[THINK]", close: "[/THINK]", around: [] },
  {
    open: "<think>",
    close: "</think>",
    around: ["<response>", "</response>"],
    signs: ["</think>", "<response></response>"],
  },
  { open: "<think>", close: "</think>", around: [], signs: ["</think>"] },
];

/** The family of a template; null if it writes no thoughts that are known. */
export function reasoningFormOf(source: string): ReasoningForm | null {
  return REASONING_FORMS.find(({ open, close, signs = [open, close] }) =>
    signs.every((sign) => source.includes(sign))
  ) ?? null;
}

/** Whether a prompt ends within thoughts: what comes next belongs to them. */
export function endsInReasoning(prompt: string, { open, close }: ReasoningForm): boolean {
  const tail = prompt.trimEnd();
  return tail.endsWith(open.trimEnd()) && !tail.endsWith(close);
}
