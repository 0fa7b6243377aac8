/**
 * The thread that reads long prompts, see `prompt_reader.ts`.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { readGguf } from "../gguf/read_gguf.ts";
import { createChatTemplate } from "./chat_template.ts";
import type { FromPromptWorker, PromptTask, ToPromptWorker } from "./prompt_messages.ts";
import { createTokenizer } from "./tokenizer.ts";
import type { ChatTemplate, RenderedPrompt, Tokenizer } from "./types.ts";

interface Model {
  tokenizer: Tokenizer;
  template: ChatTemplate;
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<ToPromptWorker>) => void;
  postMessage(message: FromPromptWorker, transfer?: Transferable[]): void;
  close(): void;
};
let loading: Promise<Model> | null = null;

scope.onmessage = ({ data: message }) => {
  if (message.type === "load") loading = load(message.modelPath, message.templateSource);
  else if (message.type === "close") scope.close();
  else void run(message.taskId, message.task);
};

async function load(modelPath: string, templateSource: string | null): Promise<Model> {
  const { metadata, tensors } = await readGguf(modelPath);
  // The thread that asks has a tokenizer of the same file.
  const tokenizer = createTokenizer(metadata, tensors, { isQuiet: true });
  return { tokenizer, template: createChatTemplate(metadata, tokenizer, templateSource) };
}

async function run(taskId: number, task: PromptTask): Promise<void> {
  try {
    const { ids, text, messageEnds = [] } = read(task, await loading!);
    const packed = Uint32Array.from(ids);
    scope.postMessage({ taskId, ids: packed, text, messageEnds }, [packed.buffer]);
  } catch (error) {
    const { code, param, tokenCount } = error instanceof EngineError
      ? error
      : { code: null, param: null, tokenCount: null };
    const message = error instanceof Error ? error.message : String(error);
    scope.postMessage({ taskId, failure: { code, message, param, tokenCount } });
  }
}

function read(task: PromptTask, { tokenizer, template }: Model): RenderedPrompt {
  if (task.type === "render") return template.render(task.messages, task.options);
  return { ids: tokenizer.tokenize(task.text, task.options), text: "" };
}
