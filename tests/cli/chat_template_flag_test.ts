import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { CHAT_TEMPLATE_FLAGS, readChatTemplate } from "../../server/cli/chat_template_flag.ts";
import { parseFlags } from "../../server/cli/flags.ts";
import { UsageError } from "../../server/cli/usage_error.ts";
import { NAMED_TEMPLATES } from "../../src/tokenizer/named_templates.ts";

const read = (...args: string[]) => readChatTemplate(parseFlags(args, CHAT_TEMPLATE_FLAGS));

Deno.test("--chat-template takes a name or a file, and says what is wrong with others", async () => {
  assertEquals(await read(), null);
  assertEquals(await read("--chat-template", "gemma"), NAMED_TEMPLATES.gemma);
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, "{{ messages[0].content }}");
    assertEquals(await read("--chat-template", path), "{{ messages[0].content }}");
    await Deno.writeTextFile(path, "{% for %}");
    const unparsed = await assertRejects(() => read("--chat-template", path), UsageError);
    assertStringIncludes((unparsed as Error).message, `Cannot parse --chat-template ${path}`);
    const unknown = await assertRejects(() => read("--chat-template", "gema"), UsageError);
    assertStringIncludes((unknown as Error).message, "neither a file nor one of chatml, llama3");
  } finally {
    await Deno.remove(path);
  }
});
