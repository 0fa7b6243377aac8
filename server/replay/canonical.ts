/**
 * What of a message stays the same when a client sends it again: without white space, with the keys
 * of arguments in one order.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { Message, PastCall } from "../openai/past_messages.ts";
import { parseJson } from "../reading/json_value.ts";

const HASH_LENGTH = 32;

/** A short name of some texts, in hex. */
export function hashOf(...parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, HASH_LENGTH);
}

/** A text without white space. */
export function canonicalText(text: string): string {
  return text.replace(/\s+/g, "");
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, each]) => [key, sorted(each)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => a < b ? -1 : 1));
}

/** JSON text with the keys of each object in order; a text that is no JSON without white space. */
export function canonicalJson(text: string): string {
  const value = parseJson(text);
  return value === undefined ? canonicalText(text) : JSON.stringify(sorted(value));
}

/** Calls without their ids, which clients and templates change. */
export function canonicalCalls(calls: readonly PastCall[]): string {
  return JSON.stringify(calls.map(({ name, arguments: text }) => [name, canonicalJson(text)]));
}

/** The text of a message; parts of text are one after the other. */
export function textOf({ content }: Pick<Message, "content">): string {
  return typeof content === "string" ? content : content.map(({ text }) => text).join("\n");
}

/**
 * A name of everything up to the end of each message, its thoughts left out.
 *
 * @param root Stands for the model and who may share answers.
 */
export function chainOf(root: string, messages: readonly Message[]): string[] {
  let name = root;
  return messages.map((message) => {
    const { role, calls = [] } = message;
    name = hashOf(name, role, canonicalText(textOf(message)), canonicalCalls(calls));
    return name;
  });
}
