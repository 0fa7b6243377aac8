/** What agents are told turn by turn, and how a session takes a turn. */

import { assertEquals } from "@std/assert";
import type { Agent, AgentTurn } from "./agent_sessions.ts";

/** Posts a body to a path. */
type Post = (path: string, body: unknown) => Promise<Response>;

function thoughtsOf(index: number): string {
  return `Turn ${index}: I should look at the file before I change anything in it.\n` +
    `The error names line ${index * 3}, so the reason is probably close to it.`;
}

/** The answer of a turn: thoughts, text, and a call with spaces that nobody repeats. */
export function answerText(index: number, thoughts = thoughtsOf(index)): string {
  return `<think>\n${thoughts}\n</think>\n\n` +
    `Let me  read file ${index}.\n<tool_call>\n{"name": "read",  "arguments": {"path": ` +
    `"/w/src/file_${index}.ts", "offset": ${index * 3}, "limit":  40}}\n</tool_call>`;
}

/** What its call gives. */
export function resultText(index: number, lineCount = 6): string {
  const lines = Array.from(
    { length: lineCount },
    (_, line) => `${index * 3 + line}: const value${line} = compute(${index}, ${line});`,
  );
  return lines.join("\n");
}

/**
 * One more turn of a session.
 *
 * @param size Of the instructions, and lines of a result; as recorded if left out.
 */
export async function takeTurn(
  post: Post,
  { agent, turns }: { agent: Agent; turns: AgentTurn[] },
  size: { instructionCount?: number; resultLineCount?: number } = {},
): Promise<void> {
  const index = turns.length;
  const response = await post(agent.path, agent.body(turns, index, size.instructionCount));
  const answer = await response.json();
  assertEquals(response.status, 200, JSON.stringify(answer));
  turns.push({ ...agent.read(answer), result: resultText(index, size.resultLineCount) });
}
