/**
 * The flags that say what is done so that conversations are not read twice.
 *
 * @module
 */

import type { ConversationOptions } from "../replay/conversations.ts";
import type { Flags, FlagSpecs } from "./flags.ts";

/** Flags of {@link readConversationFlags}. */
export const CONVERSATION_FLAGS: FlagSpecs = {
  "reread-answers": {
    value: "SWITCH",
    choices: ["on", "off"],
    help: "read answers into the prefix cache while nothing else is read (default: on)",
  },
};

/** Reads the flags of conversations. */
export function readConversationFlags(flags: Flags): ConversationOptions {
  return { rereads: flags.text("reread-answers") !== "off" };
}
