/**
 * The forms in which models write calls, as chat templates teach them: one row a form.
 *
 * @module
 */

import type { CallForm, CallPattern, JsonForm, TaggedForm } from "./call_form.ts";

const NAME_ARGUMENTS = '{"name": "{name}", "arguments": {arguments}}';
const BY_NAME = { name: "name", arguments: "arguments", id: "id" };

function json(
  name: string,
  signs: string[],
  { open = "", call = NAME_ARGUMENTS, separator = ", ", close = "", ...rest }:
    & Partial<CallPattern>
    & Pick<JsonForm, "begin" | "end">
    & Partial<Pick<JsonForm, "members">>,
): CallForm {
  return { kind: "json", name, signs, members: BY_NAME, ...rest, open, call, separator, close };
}

function list(name: string, begin: string, end: string, signs = [begin]): CallForm {
  return json(name, signs, { begin, end, open: `${begin}[`, close: `]${end}` });
}

/** The house's own form, that of Hermes and Qwen. */
export const HERMES = json("hermes", ["<tool_call>"], {
  begin: "<tool_call>",
  end: "</tool_call>",
  call: `<tool_call>\n${NAME_ARGUMENTS}\n</tool_call>`,
  separator: "\n",
}) as CallForm & JsonForm;

function arguments_(name: string, mark: string, suffix = ""): CallForm {
  return {
    kind: "tagged",
    name,
    signs: [mark],
    begin: `<tool_call${suffix}>`,
    behindName: suffix === "" ? null : `<tool_sep${suffix}>`,
    end: `</tool_call${suffix}>`,
    beforeKey: `<arg_key${suffix}>`,
    behindKey: `</arg_key${suffix}>`,
    beforeValue: `<arg_value${suffix}>`,
    behindValue: `</arg_value${suffix}>`,
    around: suffix === "" ? [] : [`<tool_calls${suffix}>`, `</tool_calls${suffix}>`],
  };
}

function functions(name: string, mark: string, isPadded: boolean): CallForm {
  return {
    kind: "tagged",
    name,
    signs: [mark, "<function=", "<parameter="],
    begin: "<function=",
    behindName: ">",
    end: "</function>",
    beforeKey: "<parameter=",
    behindKey: ">",
    beforeValue: "",
    behindValue: "</parameter>",
    isPadded,
    around: [mark, mark.replace("<", "</")],
  };
}

function invokes(name: string, signs: string[], prefix: string, around: string[]): CallForm {
  return {
    kind: "tagged",
    name,
    signs,
    begin: `<${prefix}invoke name="`,
    behindName: '">',
    end: `</${prefix}invoke>`,
    beforeKey: `<${prefix}parameter name="`,
    behindKey: ">",
    beforeValue: "",
    behindValue: `</${prefix}parameter>`,
    around: around.flatMap((mark) => [`<${mark}>`, `</${mark}>`]),
  };
}

function python(name: string, sign: string): CallForm {
  const [begin, end] = ["<|tool_call_start|>", "<|tool_call_end|>"];
  return { kind: "python", name, signs: [sign], begin, end };
}

const MINIMAX = "]<]minimax[>[";

/** What stands behind the channel of a header. */
const CONSTRAINTS = ["", " <|constrain|>json", "<|constrain|>json", " json"];
const CHANNELS = ["commentary", "analysis"].map((name) => `<|channel|>${name}`);
const TO = " to=functions.{name}";

/** Headers of gpt-oss's messages. */
const HARMONY = {
  texts: [...CHANNELS, "<|channel|>final", "<|channel|>final <|constrain|>json"]
    .map((header) => `${header}<|message|>`),
  calls: CHANNELS.flatMap((channel) => [`${TO}${channel}`, `${channel}${TO}`])
    .flatMap((header) => CONSTRAINTS.map((behind) => `${header}${behind}<|message|>`)),
};

/** All forms; of those whose signs a template has, the first counts. */
export const CALL_FORMS: readonly CallForm[] = [
  {
    kind: "headers",
    name: "gpt-oss",
    signs: ["<|channel|>analysis", "<|call|>"],
    start: "<|start|>assistant",
    behindHeader: "<|message|>",
    ends: ["<|end|>", "<|call|>", "<|return|>"],
    call: /\bto=functions\.([\w.-]+)/,
    reasoning: /<\|channel\|>analysis/,
    body: null,
    written: HARMONY,
  },
  {
    kind: "headers",
    name: "muse",
    signs: ["atem:invoke", "to=self"],
    start: "<|start|>assistant",
    behindHeader: "<|message|>",
    ends: ["<|eom|>", "<|eot|>"],
    call: /^\b$/,
    reasoning: /\bto=self\b/,
    body: invokes("muse", [], "atem:", ["atem:function_calls"]) as CallForm & TaggedForm,
    written: { texts: [], calls: [] },
  },
  {
    kind: "tagged",
    name: "kimi-k3",
    signs: ["<|open|>", "<|close|>", "<|sep|>"],
    begin: '<|open|>call tool="',
    behindName: "<|sep|>",
    end: "<|close|>call<|sep|>",
    beforeKey: '<|open|>argument key="',
    behindKey: "<|sep|>",
    beforeValue: "",
    behindValue: "<|close|>argument<|sep|>",
    around: ["<|open|>tools<|sep|>", "<|close|>tools<|sep|>"],
  },
  {
    kind: "named",
    name: "solar",
    signs: ["<|tool_call:begin|>"],
    begin: "<|tool_call:begin|>",
    behindId: "<|tool_call:name|>",
    behindName: ["<|tool_call:args|>"],
    end: "<|tool_call:end|>",
    open: "<|tool_calls|>",
    call: "<|tool_call:begin|>{id}<|tool_call:name|>{name}<|tool_call:args|>{arguments}" +
      "<|tool_call:end|>",
    separator: "",
    close: "<|calls|>",
  },
  {
    kind: "named",
    name: "kimi-k2",
    signs: ["<|tool_call_argument_begin|>"],
    begin: "<|tool_call_begin|>",
    behindName: ["<|tool_call_argument_begin|>"],
    end: "<|tool_call_end|>",
    names: /^\s*(?<id>(?:functions\.)?(?<name>[\w.-]+?)(?::\d+)?)\s*$/,
    open: "<|tool_calls_section_begin|>",
    call: "<|tool_call_begin|>functions.{name}:0<|tool_call_argument_begin|>{arguments}" +
      "<|tool_call_end|>",
    separator: "",
    close: "<|tool_calls_section_end|>",
  },
  {
    kind: "named",
    name: "deepseek-r1",
    signs: ["<｜tool▁call▁begin｜>", "```json"],
    begin: "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
    behindName: ["\n```json\n"],
    end: "<｜tool▁call▁end｜>",
    open: "<｜tool▁calls▁begin｜>",
    call: "<｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n```json\n{arguments}\n```" +
      "<｜tool▁call▁end｜>",
    separator: "\n",
    close: "<｜tool▁calls▁end｜>",
  },
  {
    kind: "named",
    name: "deepseek-v3.1",
    signs: ["<｜tool▁call▁begin｜>"],
    begin: "<｜tool▁call▁begin｜>",
    behindName: ["<｜tool▁sep｜>"],
    end: "<｜tool▁call▁end｜>",
    open: "<｜tool▁calls▁begin｜>",
    call: "<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{arguments}<｜tool▁call▁end｜>",
    separator: "",
    close: "<｜tool▁calls▁end｜>",
  },
  invokes("deepseek-v3.2", ["｜DSML｜", "function_calls"], "｜DSML｜", ["｜DSML｜function_calls"]),
  invokes("deepseek-v4", ["｜DSML｜"], "｜DSML｜", ["｜DSML｜tool_calls"]),
  {
    kind: "named",
    name: "mistral-small",
    signs: ["[TOOL_CALLS]", "[CALL_ID]"],
    begin: "[TOOL_CALLS]",
    behindName: ["[CALL_ID]", "[ARGS]"],
    end: null,
    open: "",
    call: "[TOOL_CALLS]{name}[CALL_ID]{id}[ARGS]{arguments}",
    separator: "",
    close: "",
  },
  {
    kind: "named",
    name: "ministral",
    signs: ["[TOOL_CALLS]", "[ARGS]"],
    begin: "[TOOL_CALLS]",
    behindName: ["[ARGS]"],
    end: null,
    open: "",
    call: "[TOOL_CALLS]{name}[ARGS]{arguments}",
    separator: "",
    close: "",
  },
  json("mistral-nemo", ["[TOOL_CALLS]"], {
    begin: "[TOOL_CALLS]",
    end: null,
    open: "[TOOL_CALLS][",
    call: '{"name": "{name}", "arguments": {arguments}, "id": "{id}"}',
    close: "]",
  }),
  {
    kind: "tagged",
    name: "minimax-m3",
    signs: [MINIMAX],
    begin: `${MINIMAX}<invoke name="`,
    behindName: '">',
    end: `${MINIMAX}</invoke>`,
    beforeKey: `${MINIMAX}<`,
    behindKey: ">",
    beforeValue: "",
    behindValue: `${MINIMAX}</{key}>`,
    around: [`${MINIMAX}<tool_call>`, `${MINIMAX}</tool_call>`],
  },
  invokes("minimax-m2", ["<minimax:tool_call>"], "", ["minimax:tool_call"]),
  functions("seed-oss", "<seed:tool_call>", false),
  arguments_("hunyuan", "arg_key{}", ":opensource"),
  arguments_("glm", "<arg_key>"),
  functions("qwen3-coder", "<tool_call>", true),
  {
    kind: "tagged",
    name: "minicpm",
    signs: ["<function name=", "<param name="],
    begin: '<function name="',
    behindName: '">',
    end: "</function>",
    beforeKey: '<param name="',
    behindKey: ">",
    beforeValue: "",
    behindValue: "</param>",
    quotes: ["<![CDATA[", "]]>"],
    around: [],
  },
  {
    kind: "named",
    name: "functionary-3.1",
    signs: ["<function=", "</function>"],
    begin: "<function=",
    behindName: [">"],
    end: "</function>",
    open: "",
    call: "<function={name}>{arguments}</function>",
    separator: "",
    close: "",
  },
  {
    kind: "named",
    name: "functionary-3.2",
    signs: [">>>all", ">>>${recipient}"],
    begin: ">>>",
    behindName: ["\n"],
    end: null,
    names: /^(?!all$)(?<name>[\w.-]+)$/,
    open: "",
    call: ">>>{name}\n{arguments}",
    separator: "",
    close: "",
  },
  json("command", ["<|START_ACTION|>"], {
    begin: "<|START_ACTION|>",
    end: "<|END_ACTION|>",
    members: { name: "tool_name", arguments: "parameters" },
    open: "<|START_ACTION|>[\n    ",
    call: '{"tool_call_id": "0", "tool_name": "{name}", "parameters": {arguments}}',
    separator: ",\n    ",
    close: "\n]<|END_ACTION|>",
  }),
  json("command-r-plus", ["Action:", '"tool_name"'], {
    begin: "Action:",
    end: "```",
    members: { name: "tool_name", arguments: "parameters" },
    open: "Action:\n```json\n[\n",
    call: '    {\n        "tool_name": "{name}",\n        "parameters": {arguments}\n    }',
    separator: ",\n",
    close: "\n]```",
  }),
  json("apertus", ["<|tools_prefix|>"], {
    begin: "<|tools_prefix|>",
    end: "<|tools_suffix|>",
    members: null,
    open: "<|tools_prefix|>[",
    call: '{"{name}": {arguments}}',
    close: "]<|tools_suffix|>",
  }),
  json("gigachat-3.1", ["<|function_call|>"], {
    begin: "<|function_call|>",
    end: null,
    call: `<|function_call|>${NAME_ARGUMENTS}`,
  }),
  json("gigachat-3", ["'function call'", "role_sep"], {
    begin: "function call<|role_sep|>\n",
    end: null,
    call: `function call<|role_sep|>\n${NAME_ARGUMENTS}`,
  }),
  list("tool-calls", "<tool_calls>", "</tool_calls>"),
  list("nemotron-nano", "<TOOLCALL>", "</TOOLCALL>"),
  list("granite-3", "<|tool_call|>", ""),
  list("firefunction", "functools", ""),
  {
    kind: "gemma",
    name: "gemma-4",
    signs: ["<|tool_call>"],
    begin: "<|tool_call>call:",
    end: "<tool_call|>",
  },
  python("lfm2.5", "<|tool_call_start|>"),
  python("lfm2", "List of tools: <|tool_list_start|>["),
  python("lfm2", 'List of tools: ["'),
  HERMES,
  json("llama-3", ['"parameters": ', "ipython"], {
    begin: null,
    end: null,
    members: { name: "name", arguments: "parameters" },
    call: '{"name": "{name}", "parameters": {arguments}}',
    separator: "\n",
  }),
];

/** The form that a template teaches; null if it is none of these. */
export function callFormOf(source: string): CallForm | null {
  return CALL_FORMS.find(({ signs }) => signs.every((sign) => source.includes(sign))) ?? null;
}
