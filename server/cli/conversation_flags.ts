/**
 * The flags that say what is done so that conversations are not read twice.
 *
 * @module
 */

import type { ConversationOptions } from "../replay/conversations.ts";
import { TurnFile, turnFilePath } from "../replay/turn_file.ts";
import type { Flags, FlagSpecs } from "./flags.ts";

/** Flags of {@link readConversationFlags}. */
export const CONVERSATION_FLAGS: FlagSpecs = {
  "reread-answers": {
    value: "SWITCH",
    choices: ["on", "off"],
    help: "read answers into the prefix cache while nothing else is read (default: on)",
  },
  "replay-answers": {
    value: "SWITCH",
    choices: ["on", "off"],
    help: "put earlier answers into prompts as they were sampled (default: on)",
  },
  "place-lines": {
    value: "SWITCH",
    choices: ["on", "off"],
    help: "move dates, times and counts out of the beginning of prompts (default: on)",
  },
};

/**
 * Reads the flags of conversations, and where sampled answers are kept.
 *
 * @param modelKey Stands for the model.
 */
export function readConversationFlags(flags: Flags, modelKey: string): ConversationOptions {
  const folder = flags.text("kv-disk");
  return {
    modelKey,
    ...(folder === null ? {} : { store: new TurnFile(turnFilePath(folder, modelKey)) }),
    rereads: flags.text("reread-answers") !== "off",
    replays: flags.text("replay-answers") !== "off",
    placesLines: flags.text("place-lines") !== "off",
  };
}
