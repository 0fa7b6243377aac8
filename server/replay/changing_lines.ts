/**
 * Lines that clients write again into each request: at the beginning of a prompt they would keep
 * all that follows from being found in the cache. They are taken out of where they stand; what says
 * something is placed behind the newest message instead.
 *
 * @module
 */

import type { Message } from "../openai/past_messages.ts";
import { textOf } from "./canonical.ts";

/** A form of such lines. */
interface LineForm {
  /** What the answer's header says. */
  name: string;
  /** A whole line, without the space around it. */
  pattern: RegExp;
  /** Whether it says nothing to a model. */
  isMute?: boolean;
}

const DATE = String.raw`[^\n]{0,60}\d{4}[^\n]{0,60}`;

/** What is counted in a countdown. */
const COUNTED = [
  "Token usage",
  "Tokens? (?:used|left|remaining)",
  "Context (?:window )?(?:usage|used|left|remaining)",
].join("|");

/** Recorded forms; what sends them stands beside each. */
export const LINE_FORMS: readonly LineForm[] = [
  // Claude Code: first block of `system`, with a hash of the request.
  { name: "billing-header", pattern: /^x-anthropic-billing-header:.*$/, isMute: true },
  // Claude Code and opencode, within <env>; Qwen Code and Gemini CLI, in the first message.
  { name: "date", pattern: new RegExp(`^Today's date(?: is|:) ${DATE}$`) },
  // Codex, within <environment_context>.
  { name: "date", pattern: /^<current_date>[^<]*<\/current_date>$/ },
  // oh-my-pi, Qwen Code and goose.
  { name: "date", pattern: new RegExp(`^(?:Today is|The current date is:?) ${DATE}$`) },
  // pi: to the second. Others write it alike.
  { name: "time", pattern: /^Current (?:date and )?time(?: is|:) [^\n]{0,100}\d[^\n]{0,60}$/ },
  // Claude Code and those that follow it: how much of the context is left.
  {
    name: "countdown",
    pattern: new RegExp(`^(?:<[\\w:]+>)?(?:${COUNTED}):? [^\\n]{0,80}\\d[^\\n]{0,60}$`, "i"),
  },
];

/** Marks of a client's own text in the first message of a user. */
const CLIENT_MARKS = [
  "<environment_context>",
  "<system-reminder>",
  "We are setting up the context for our chat.",
];

/** Where clients write such lines: instructions, and what they put before the first question. */
function isClientText(message: Message, index: number, firstUserIndex: number): boolean {
  if (message.role === "system") return true;
  return index === firstUserIndex && CLIENT_MARKS.some((mark) => textOf(message).includes(mark));
}

/** A conversation without changing lines, and these. */
export interface CleanConversation {
  messages: Message[];
  /** Those that say something, in order, a line each. */
  lines: string[];
  /** Names of the forms found. */
  names: string[];
}

/** Takes changing lines out of the beginning of a conversation. */
export function takeChangingLines(messages: readonly Message[]): CleanConversation {
  const lines: string[] = [];
  const names = new Set<string>();
  const firstUserIndex = messages.findIndex(({ role }) => role === "user");
  const clean = messages.map((message, index) => {
    if (!isClientText(message, index, firstUserIndex)) return message;
    const all = textOf(message).split("\n");
    const kept = all.filter((line) => {
      const text = line.trim();
      const form = LINE_FORMS.find(({ pattern }) => pattern.test(text));
      if (form === undefined) return true;
      names.add(form.name);
      if (!form.isMute) lines.push(text);
      return false;
    });
    return kept.length === all.length ? message : { ...message, content: kept.join("\n") };
  });
  return { messages: clean, lines, names: [...names] };
}
