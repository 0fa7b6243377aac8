/** A process that reads a prompt as a server does, a long one in a thread of its own. */

import { readGguf } from "../../src/gguf/read_gguf.ts";
import { createChatTemplate } from "../../src/tokenizer/chat_template.ts";
import { WorkerPromptReader } from "../../src/tokenizer/prompt_reader.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";

const [path] = Deno.args;
const { metadata, tensors } = await readGguf(path);
const tokenizer = createTokenizer(metadata, tensors);
const reader = new WorkerPromptReader(path, tokenizer, createChatTemplate(metadata, tokenizer));
const ids = await reader.tokenize("a b ".repeat(2000), { parseSpecial: false });
reader.close();
console.log(ids.length > 1000);
