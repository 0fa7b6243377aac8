import { assertEquals, assertThrows } from "@std/assert";
import { CONVERSATION_FLAGS, readConversationFlags } from "../../server/cli/conversation_flags.ts";
import { parseFlags } from "../../server/cli/flags.ts";
import { serveCommand } from "../../server/cli/serve.ts";
import { UsageError } from "../../server/cli/usage_error.ts";

const ON = { rereads: true, replays: true, placesLines: true };
const SWITCHES = {
  "--reread-answers": "rereads",
  "--replay-answers": "replays",
  "--place-lines": "placesLines",
} as const;

function read(...args: string[]) {
  const { modelKey, store = null, ...rest } = readConversationFlags(
    parseFlags(args, serveCommand.flags),
    "m",
  );
  assertEquals(modelKey, "m");
  return { hasStore: store !== null, ...rest };
}

Deno.test("each flag of conversations switches its own part, which is on without it", () => {
  assertEquals(Object.keys(SWITCHES), Object.keys(CONVERSATION_FLAGS).map((name) => `--${name}`));
  assertEquals(read(), { hasStore: false, ...ON });
  for (const [flag, part] of Object.entries(SWITCHES)) {
    assertEquals(read(flag, "on"), { hasStore: false, ...ON });
    assertEquals(read(flag, "off"), { hasStore: false, ...ON, [part]: false });
    assertThrows(() => read(flag, "maybe"), UsageError, flag);
  }
  assertEquals(read("--kv-disk", "blocks"), { hasStore: true, ...ON });
});
