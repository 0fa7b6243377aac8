/** Chat templates that are given by name, and variables of requests. */

import { assertEquals } from "@std/assert";
import { GgufMetadata } from "../../src/gguf/metadata.ts";
import { createChatTemplate } from "../../src/tokenizer/chat_template.ts";
import { JinjaTemplate } from "../../src/tokenizer/jinja/template.ts";
import { NAMED_TEMPLATES } from "../../src/tokenizer/named_templates.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { sharedFile } from "../support/shared.ts";
import { tinyVocabularyMetadata } from "../support/tiny_vocabulary.ts";

const MESSAGES = [
  { role: "system", content: "S" },
  { role: "user", content: "U" },
  { role: "assistant", content: "A" },
  { role: "user", content: "V" },
];

const TEXTS: Readonly<Record<string, string>> = {
  chatml: "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n" +
    "<|im_start|>assistant\nA<|im_end|>\n<|im_start|>user\nV<|im_end|>\n<|im_start|>assistant\n",
  llama3: "<b><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>" +
    "<|start_header_id|>user<|end_header_id|>\n\nU<|eot_id|>" +
    "<|start_header_id|>assistant<|end_header_id|>\n\nA<|eot_id|>" +
    "<|start_header_id|>user<|end_header_id|>\n\nV<|eot_id|>" +
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
  gemma: "<b><start_of_turn>user\nS\n\nU<end_of_turn>\n<start_of_turn>model\nA<end_of_turn>\n" +
    "<start_of_turn>user\nV<end_of_turn>\n<start_of_turn>model\n",
  phi3: "<|system|>\nS<|end|>\n<|user|>\nU<|end|>\n<|assistant|>\nA<|end|>\n<|user|>\nV<|end|>\n" +
    "<|assistant|>\n",
  mistral: "<b>[INST] S\n\nU[/INST] A<e>[INST] V[/INST]",
  llama2: "<b>[INST] <<SYS>>\nS\n<</SYS>>\n\nU [/INST] A <e><b>[INST] V [/INST]",
  zephyr: "<|system|>\nS<e>\n<|user|>\nU<e>\n<|assistant|>\nA<e>\n<|user|>\nV<e>\n<|assistant|>\n",
  vicuna: "S\n\nUSER: U\nASSISTANT: A<e>\nUSER: V\nASSISTANT:",
};

Deno.test("each named template writes the format of its family", () => {
  const variables = { add_generation_prompt: true, bos_token: "<b>", eos_token: "<e>" };
  assertEquals(Object.keys(TEXTS), Object.keys(NAMED_TEMPLATES));
  for (const [name, text] of Object.entries(TEXTS)) {
    const template = new JinjaTemplate(NAMED_TEMPLATES[name]);
    assertEquals(template.render({ ...variables, messages: MESSAGES }), text, name);
  }
});

Deno.test("the named gemma and phi3 write what the models' own templates write", () => {
  const path = sharedFile("golden/templates/templates.json");
  if (path === null) return;
  const own = {
    gemma: "google-gemma-2-2b-it.jinja",
    phi3: "microsoft-Phi-3.5-mini-instruct.jinja",
  };
  const cases = JSON.parse(Deno.readTextFileSync(path)) as {
    template: string;
    case: string;
    messages: unknown;
    add_generation_prompt: boolean;
    text?: string;
  }[];
  for (const [name, file] of Object.entries(own)) {
    const golden = cases.filter((each) => {
      return each.template === file && ["user", "unicode"].includes(each.case) && each.text;
    });
    assertEquals(golden.length > 0, true, name);
    for (const { messages, add_generation_prompt, text } of golden) {
      const template = new JinjaTemplate(NAMED_TEMPLATES[name]);
      const variables = { add_generation_prompt, bos_token: "<bos>", eos_token: "<eos>" };
      // Phi's own ends a conversation that is not answered with EOS.
      if (name === "phi3" && !add_generation_prompt) continue;
      assertEquals(template.render({ ...variables, messages }), text, name);
    }
  }
});

Deno.test("createChatTemplate() takes a template given in place of the file's own", () => {
  const metadata = new GgufMetadata(tinyVocabularyMetadata());
  const tokenizer = createTokenizer(metadata, new Map());
  const template = createChatTemplate(metadata, tokenizer, NAMED_TEMPLATES.vicuna);
  const { text } = template.render([{ role: "user", content: "hi" }], {
    addGenerationPrompt: true,
  });
  assertEquals(text, "USER: hi\nASSISTANT:");
});

Deno.test("render() gives variables such as enable_thinking to Qwen 3's template", () => {
  const path = sharedFile("golden/templates/Qwen-Qwen3-0.6B.jinja");
  if (path === null) return;
  const metadata = new GgufMetadata(tinyVocabularyMetadata());
  const source = Deno.readTextFileSync(path);
  const template = createChatTemplate(metadata, createTokenizer(metadata, new Map()), source);
  const render = (variables: Record<string, unknown>) =>
    template.render([{ role: "user", content: "hi" }], { addGenerationPrompt: true, variables })
      .text;
  const asked = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n";
  assertEquals(render({}), asked);
  assertEquals(render({ enable_thinking: false }), `${asked}<think>\n\n</think>\n\n`);
  assertEquals(template.reads("enable_thinking"), true);
});
