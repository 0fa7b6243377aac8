/**
 * Text that counts as HTML: with `+`, other text is escaped before it joins it, even in templates
 * that escape nothing else.
 *
 * @module
 */

import { type Str, str, type Value } from "./values.ts";

const marked = new WeakSet<Value>();

const HTML: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&#34;",
  "'": "&#39;",
};

/** Text as markup. */
export function markup(text: string): Str {
  const result = str(text);
  marked.add(result);
  return result;
}

/** Markup that shows `text`, or `text` itself if it is markup. */
export function escapeMarkup(text: Str): Str {
  if (marked.has(text)) return text;
  return markup(text.value.replace(/[&<>"']/g, (character) => HTML[character]));
}

/** `left + right`. */
export function joinTexts(left: Str, right: Str): Str {
  if (!marked.has(left) && !marked.has(right)) return str(left.value + right.value);
  return markup(escapeMarkup(left).value + escapeMarkup(right).value);
}
