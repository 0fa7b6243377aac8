/**
 * Sessions of agents as they send them: instructions of many thousand tokens, tools, lines
 * that change with each request, and earlier answers as each of them writes them again.
 */

/** An answer as the server gave it, whatever the protocol. */
export interface AgentAnswer {
  text: string;
  callId: string;
  name: string;
  /** JSON text. */
  arguments: string;
}

/** One step of a session: an answer and what its call gave. */
export interface AgentTurn extends AgentAnswer {
  result: string;
}

/** An agent's requests. */
export interface Agent {
  name: string;
  path: string;
  /**
   * The body of the request behind `turns`; `index` is their number.
   *
   * @param size Tokens of the instructions, about; as recorded if left out.
   */
  body(turns: readonly AgentTurn[], index: number, size?: number): Record<string, unknown>;
  /** What an answer's body says. */
  // deno-lint-ignore no-explicit-any
  read(answer: any): AgentAnswer;
}

const SENTENCES = [
  "Use the read tool before you edit a file, and keep changes small.",
  "Never commit unless the user asks for it; explain what you ran and why.",
  "Prefer the project's own conventions over your habits, and check them first.",
  "When a command fails, read its output to the end before trying again.",
];

/** Instructions of about `tokenCount` tokens, of which no two lines are equal. */
export function instructions(name: string, tokenCount: number): string {
  const lines = Array.from(
    { length: Math.ceil(tokenCount / 19) },
    (_, index) => `${index + 1}. ${SENTENCES[index % SENTENCES.length]} (${name})`,
  );
  return lines.join("\n");
}

const parameters = {
  type: "object",
  properties: {
    path: { type: "string", description: "Absolute path of the file" },
    offset: { type: "integer", description: "First line" },
    limit: { type: "integer", description: "Number of lines" },
  },
  required: ["path"],
};
const TOOL_NAMES = ["read", "write", "edit", "glob", "grep", "bash", "fetch", "plan"];
const describe = (name: string) => `The ${name} tool. ${SENTENCES.join(" ")}`;
const chatTools = TOOL_NAMES.map((name) => {
  return { type: "function", function: { name, description: describe(name), parameters } };
});

/** Arguments with their keys the other way round, and other space. */
function rewritten(text: string, space?: number): string {
  return JSON.stringify(
    Object.fromEntries(Object.entries(JSON.parse(text)).reverse()),
    null,
    space,
  );
}

const INSTRUCTION_COUNT = 7_500;

/** Midnight comes in the middle of a session. */
const dayOf = (index: number) => `2026-11-${index < 9 ? 28 : 29}`;
const hash = (index: number) => ((index + 7) * 2654435761 >>> 0).toString(16).slice(0, 5);
const QUESTION = "The build fails since yesterday. Find out why and mend it.";

// deno-lint-ignore no-explicit-any
const readChat = ({ choices: [{ message }] }: any): AgentAnswer => {
  const [{ id, function: call }] = message.tool_calls;
  return { text: message.content ?? "", callId: id, name: call.name, arguments: call.arguments };
};

/** Chat messages of turns, as a client writes them. */
function chatTurns(
  turns: readonly AgentTurn[],
  write: (turn: AgentTurn) => { content: string | null; args: string },
): object[] {
  return turns.flatMap((turn) => {
    const { content, args } = write(turn);
    const call = {
      id: turn.callId,
      type: "function",
      function: { name: turn.name, arguments: args },
    };
    return [
      { role: "assistant", content, tool_calls: [call] },
      { role: "tool", tool_call_id: turn.callId, content: turn.result },
    ];
  });
}

const chat = (messages: object[]) => ({ messages, tools: chatTools, max_tokens: 400 });

export const AGENTS: Agent[] = [
  {
    name: "Claude Code",
    path: "/v1/messages",
    body: (turns, index, size = INSTRUCTION_COUNT) => ({
      model: "fake",
      max_tokens: 400,
      system: [
        {
          type: "text",
          text: `x-anthropic-billing-header: cc_version=2.1.77.f00; cc_entrypoint=cli; ` +
            `cch=${hash(index)};`,
        },
        { type: "text", text: "You are Claude Code.", cache_control: { type: "ephemeral" } },
        {
          type: "text",
          text: instructions("claude", size),
          cache_control: { type: "ephemeral" },
        },
      ],
      tools: TOOL_NAMES.map((name) => {
        return { name, description: describe(name), input_schema: parameters };
      }),
      messages: [
        {
          role: "user",
          content: [
            {
              type: "text",
              text: "<system-reminder>\nAs you answer, you can use this context:\n# currentDate\n" +
                `Today's date is ${dayOf(index)}.\n</system-reminder>`,
            },
            { type: "text", text: QUESTION },
          ],
        },
        ...turns.flatMap(({ text, callId, name, arguments: args, result }, place) => [
          {
            role: "assistant",
            content: [
              { type: "text", text: text.trim() },
              { type: "tool_use", id: callId, name, input: JSON.parse(rewritten(args)) },
            ],
          },
          {
            role: "user",
            content: [{
              type: "tool_result",
              tool_use_id: callId,
              content: [{ type: "text", text: result }],
              ...(place === turns.length - 1 ? { cache_control: { type: "ephemeral" } } : {}),
            }],
          },
        ]),
      ],
    }),
    read({ content }) {
      // deno-lint-ignore no-explicit-any
      const of = (type: string) => content.find((block: any) => block.type === type);
      const { id, name, input } = of("tool_use");
      const text = of("text")?.text ?? "";
      return { text, callId: id, name, arguments: JSON.stringify(input) };
    },
  },
  {
    name: "Codex",
    path: "/v1/responses",
    body: (turns, index, size = INSTRUCTION_COUNT) => ({
      model: "fake",
      instructions: instructions("codex", size),
      tools: TOOL_NAMES.map((name) => {
        return { type: "function", name, description: describe(name), parameters, strict: false };
      }),
      tool_choice: "auto",
      store: false,
      max_output_tokens: 400,
      input: [
        {
          type: "message",
          role: "user",
          content: [{
            type: "input_text",
            text: "<environment_context>\n  <cwd>/w</cwd>\n  <shell>bash</shell>\n" +
              `  <current_date>${dayOf(index)}</current_date>\n  <timezone>Etc/UTC</timezone>\n` +
              "</environment_context>",
          }],
        },
        { type: "message", role: "user", content: [{ type: "input_text", text: QUESTION }] },
        ...turns.flatMap(({ text, callId, name, arguments: args, result }) => [
          { type: "message", role: "assistant", content: [{ type: "output_text", text }] },
          { type: "function_call", call_id: callId, name, arguments: rewritten(args) },
          { type: "function_call_output", call_id: callId, output: result },
        ]),
      ],
    }),
    read({ output }) {
      // deno-lint-ignore no-explicit-any
      const of = (type: string) => output.find((item: any) => item.type === type);
      const { call_id: callId, name, arguments: args } = of("function_call");
      return { text: of("message")?.content[0].text ?? "", callId, name, arguments: args };
    },
  },
  {
    name: "opencode",
    path: "/v1/chat/completions",
    body: (turns, index, size = INSTRUCTION_COUNT) =>
      chat([
        {
          role: "system",
          content: `${instructions("opencode", size)}\n<env>\n  Working directory: /w\n` +
            `  Today's date: ${dayOf(index)}\n</env>\n<files>\n  a.ts\n</files>`,
        },
        { role: "user", content: QUESTION },
        ...chatTurns(turns, ({ arguments: args }) => ({ content: null, args: rewritten(args) })),
      ]),
    read: readChat,
  },
  {
    name: "Qwen Code",
    path: "/v1/chat/completions",
    body: (turns, index, size = INSTRUCTION_COUNT) =>
      chat([
        { role: "system", content: instructions("qwen", size) },
        {
          role: "user",
          content: "This is the Qwen Code. We are setting up the context for our chat.\n" +
            `Today's date is ${dayOf(index)} (formatted according to the user's locale).\n` +
            "My operating system is: linux",
        },
        { role: "assistant", content: "Got it. Thanks for the context!" },
        { role: "user", content: QUESTION },
        ...chatTurns(turns, ({ text, arguments: args }) => {
          return { content: text.replace(/\s+/g, " "), args: rewritten(args, 2) };
        }),
      ]),
    read: readChat,
  },
  {
    name: "pi",
    path: "/v1/chat/completions",
    body: (turns, index, size = INSTRUCTION_COUNT) =>
      chat([
        {
          role: "system",
          content: `${instructions("pi", size)}\nCurrent date and time: Friday, March 6, 2026 at ` +
            `10:${10 + index}:${10 + index * 2} AM GMT+1\nCurrent working directory: /w`,
        },
        { role: "user", content: QUESTION },
        ...chatTurns(turns, ({ text, arguments: args }) => ({ content: text, args })),
      ]),
    read: readChat,
  },
];
