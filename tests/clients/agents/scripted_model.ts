/**
 * What the model says to a coding agent: it thinks, has the agent run a command or edit a file, and
 * once it has seen what came of it, says so. It knows the agent's tools from its prompt.
 */

/** What a command prints that the model has run. */
export const COMMAND_OUTPUT = "packkv-was-here";
/** What the model says in the end. */
export const LAST_WORDS = "The command printed what it should.";
/** What the model says to whoever gives it no tools. */
export const WITHOUT_TOOLS = "A short title";

/** A tool as Qwen's template describes it. */
interface PromptTool {
  name: string;
  parameters: { properties?: Record<string, Record<string, unknown>>; required?: string[] };
}

/** Names of tools that run commands, as agents have them. */
const COMMAND_TOOLS =
  /^(?:bash|shell|shell_command|exec_command|run_shell_command|run_commands|execute_command)$/i;

/** Those of a server of MCP that the agent was given. */
const MCP_TOOLS = /^mcp__|^packkv[_-]/;

function toolsOf(prompt: string): PromptTool[] {
  const [, listed = ""] = /<tools>\n([^]*?)\n<\/tools>/.exec(prompt) ?? [];
  return listed.split("\n").filter((line) => line.startsWith("{")).map((line) => {
    return JSON.parse(line).function;
  });
}

const COMMAND = `echo ${COMMAND_OUTPUT.slice(0, 6)}${"''"}${COMMAND_OUTPUT.slice(6)}`;

/** A value for a parameter that a call must have. */
function argumentFor(name: string, schema: Record<string, unknown>): unknown {
  const types = [schema.type].flat();
  if (/^(?:command|cmd|commands)$/.test(name)) {
    if (types.includes("string")) return COMMAND;
    return name === "commands" ? [COMMAND] : ["sh", "-c", COMMAND];
  }
  if (Array.isArray(schema.enum)) return schema.enum[0];
  if (types.includes("boolean")) return false;
  if (types.includes("integer") || types.includes("number")) return 10_000;
  if (types.includes("array")) return [];
  return types.includes("object") ? {} : "Say that it was here";
}

function callOf({ name, parameters: { properties = {}, required = [] } }: PromptTool): string {
  const wanted = [
    ...new Set([
      ...required,
      ...Object.keys(properties).filter((each) => {
        return /^(?:command|cmd|commands)$/.test(each);
      }),
    ]),
  ];
  const args = Object.fromEntries(wanted.map((each) => {
    return [each, argumentFor(each, properties[each] ?? {})];
  }));
  return `<tool_call>\n${JSON.stringify({ name, arguments: args })}\n</tool_call>`;
}

/** Edits as Aider reads them from a text. */
const EDIT = "Here is the change.\n\nhello.txt\n```\n<<<<<<< SEARCH\n=======\n" +
  `${COMMAND_OUTPUT}\n>>>>>>> REPLACE\n\`\`\`\n`;

/** The answer to a prompt in Qwen's form. */
export function answerTo(prompt: string): string {
  const thinks = (text: string) =>
    prompt.endsWith("<think>\n\n</think>\n\n") ? "" : `<think>\n${text}\n</think>\n\n`;
  if (prompt.includes("*SEARCH/REPLACE block*")) return thinks("It is one file.") + EDIT;
  const tools = toolsOf(prompt);
  const tool = tools.find(({ name }) => COMMAND_TOOLS.test(name));
  if (!tool) return thinks("It is short.") + WITHOUT_TOOLS;
  const resultCount = prompt.split("<tool_response>").length - 1;
  if (resultCount === 0) {
    return `${thinks("I should run the command first.\nThen I see what it says.")}` +
      `Let me  run it.\n${callOf(tool)}`;
  }
  if (resultCount === 1) {
    const other = tools.find(({ name }) => MCP_TOOLS.test(name)) ?? tool;
    return `${thinks("Once more, to be sure.")}Again, to be sure.\n${callOf(other)}`;
  }
  return thinks("That is what was asked for.") + LAST_WORDS;
}
