/**
 * `--chat-template`: a template in place of the model file's own.
 *
 * @module
 */

import { JinjaTemplate } from "../../src/tokenizer/jinja/template.ts";
import { NAMED_TEMPLATES } from "../../src/tokenizer/named_templates.ts";
import type { Flags, FlagSpecs } from "./flags.ts";
import { UsageError } from "./usage_error.ts";

const NAMES = Object.keys(NAMED_TEMPLATES).join(", ");

/** The flag. */
export const CHAT_TEMPLATE_FLAGS: FlagSpecs = {
  "chat-template": {
    value: "NAME|FILE",
    help: `format of conversations (default: the model file's): ${NAMES}, or a file of Jinja`,
  },
};

/**
 * Reads the flag.
 *
 * @returns The template in Jinja; null for the model file's own.
 * @throws {UsageError} If it is neither a name nor a file with a template.
 */
export async function readChatTemplate(flags: Flags): Promise<string | null> {
  const asked = flags.text("chat-template");
  if (asked === null) return null;
  if (Object.hasOwn(NAMED_TEMPLATES, asked)) return NAMED_TEMPLATES[asked];
  const source = await Deno.readTextFile(asked).catch((error) => {
    const state = error instanceof Deno.errors.NotFound
      ? `it is neither a file nor one of ${NAMES}`
      : error.message;
    throw new UsageError(`Cannot use --chat-template ${asked}: ${state}`);
  });
  try {
    new JinjaTemplate(source);
  } catch (error) {
    throw new UsageError(`Cannot parse --chat-template ${asked}: ${(error as Error).message}`);
  }
  return source;
}
