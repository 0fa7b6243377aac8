/**
 * What `bench speculation` has continued: code that is edited, calls, and prose.
 *
 * @module
 */

import type { GrammarSpec } from "../../mod.ts";

/** A text to be continued. */
export interface SpeculationText {
  name: string;
  text: string;
  /** 0 is greedy. */
  temperature: number;
  grammar?: GrammarSpec;
}

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

const MODULE = `export interface Row {
  id: number;
  draftIds: readonly number[];
}

export interface Counts {
  draftCount: number;
  acceptedCount: number;
}

export function planRows(running: readonly Sequence[], rowCountMax: number): Row[] {
  let leftCount = rowCountMax;
  return running.filter((sequence) => sequence.canDecode).map((sequence) => {
    const row = sequence.takeRow(leftCount);
    leftCount -= row.draftIds.length;
    return { id: sequence.id, draftIds: row.draftIds };
  });
}

export function acceptedTokens(row: Row, sampled: readonly number[]): readonly number[] {
  const wrong = row.draftIds.findIndex((id, index) => id !== sampled[index]);
  return sampled.slice(0, wrong < 0 ? row.draftIds.length + 1 : wrong + 1);
}
`;

/** A file, and the first lines of the same file with a name changed. */
function edit(code: string, from: string, to: string): string {
  const first = code.replaceAll(from, to).split("\n").slice(0, 9).join("\n");
  return `The file:\n\n\`\`\`\n${code}\`\`\`\n\n` +
    `The same file with ${from} renamed to ${to}:\n\n\`\`\`\n${first}\n`;
}

const CALL_BEGIN = '<tool_call>\n{"name": "write", "arguments": ';
const CALL_END = "}\n</tool_call>";

/** The calls of agents, as a grammar for tools has them. */
const CALLS: GrammarSpec = {
  type: "tags",
  tags: [{
    begin: CALL_BEGIN,
    schema: JSON.stringify({
      type: "object",
      properties: { path: { type: "string" }, content: { type: "string" } },
      required: ["path", "content"],
      additionalProperties: false,
    }),
    end: CALL_END,
  }],
  trigger: null,
  separator: "\n",
  isRepeated: false,
};

const WRITTEN = JSON.stringify({ path: "account.py", content: CODE })
  .replace('"path":', '"path": ').replace(',"content":', ', "content": ');

/** All of them. */
export const SPECULATION_TEXTS: readonly SpeculationText[] = [
  { name: "edit py", text: edit(CODE, "withdraw", "take"), temperature: 0 },
  { name: "edit ts", text: edit(MODULE, "leftCount", "restCount"), temperature: 0 },
  {
    name: "call",
    text: `A call that writes the file:\n\n${CALL_BEGIN}${WRITTEN}${CALL_END}\n\n` +
      "The same call with withdraw renamed to take:\n\n",
    temperature: 0,
    grammar: CALLS,
  },
  {
    name: "prose",
    text:
      "The storm had been coming since noon, and the keeper of the lighthouse had seen it first",
    temperature: 0.8,
  },
];
