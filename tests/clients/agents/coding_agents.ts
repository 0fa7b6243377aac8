/**
 * Coding agents that run against this server without their vendor's service: where they come from
 * and how each is started without a terminal.
 */

import { fileURLToPath } from "node:url";
import { MODEL_ID } from "./agent_server.ts";

/** Where an agent runs. */
export interface AgentPlace {
  /** Of the server, without `/v1`. */
  url: string;
  /** Of its own, empty. */
  home: string;
  /** A git repository of its own. */
  work: string;
}

/** One agent. */
export interface CodingAgent {
  name: string;
  /** File of its recorded requests, without its ending. */
  file: string;
  /** In the registry of npm or of Python, with its version. */
  source: { npm: string } | { pip: string };
  /** Its program below the folder of what is installed. */
  program: string;
  /** Its own script that fetches or links its program, if npm does not run it. */
  postinstall?: readonly string[];
  /** Writes what it reads at its start. */
  prepare?: (place: AgentPlace) => Promise<void>;
  env: (place: AgentPlace) => Record<string, string>;
  /** Arguments of its runs, one after the other; a later one continues the session. */
  runs: readonly (readonly string[])[];
  /** What its last run leaves: words it prints, or a file. */
  leaves: { words: RegExp } | { file: string; text: string };
}

const PROMPT = "Say whether the command echo works.";
const MORE = "And once more, please.";
const MCP = {
  command: Deno.execPath(),
  args: ["run", "-A", "--no-config", fileURLToPath(new URL("./mcp_server.ts", import.meta.url))],
};
const words = /The command printed what it should\./;

export const CODING_AGENTS: readonly CodingAgent[] = [
  {
    name: "Claude Code",
    file: "claude_code",
    source: { npm: "@anthropic-ai/claude-code@2.1.197" },
    program: "node_modules/.bin/claude",
    postinstall: ["node_modules/@anthropic-ai/claude-code", "install.cjs"],
    env: ({ url }) => ({
      ANTHROPIC_BASE_URL: url,
      ANTHROPIC_AUTH_TOKEN: "none",
      ANTHROPIC_MODEL: MODEL_ID,
      ANTHROPIC_SMALL_FAST_MODEL: MODEL_ID,
      IS_SANDBOX: "1",
    }),
    runs: [[], ["-c"]].map((more, index) => [
      ...more,
      "-p",
      index === 0 ? PROMPT : MORE,
      "--allowedTools",
      "Bash,mcp__packkv__look",
      "--mcp-config",
      JSON.stringify({ mcpServers: { packkv: MCP } }),
    ]),
    leaves: { words },
  },
  {
    name: "Codex",
    file: "codex",
    source: { npm: "@openai/codex@0.171.0" },
    program: "node_modules/.bin/codex",
    prepare: async ({ url, home }) => {
      await Deno.mkdir(`${home}/.codex`);
      const lines = [
        `model = "${MODEL_ID}"`,
        'model_provider = "packkv"',
        "[model_providers.packkv]",
        'name = "packkv"',
        `base_url = "${url}/v1"`,
        'wire_api = "responses"',
        "[mcp_servers.packkv]",
        `command = ${JSON.stringify(MCP.command)}`,
        `args = ${JSON.stringify(MCP.args)}`,
      ];
      await Deno.writeTextFile(`${home}/.codex/config.toml`, lines.join("\n"));
    },
    env: () => ({}),
    runs: [["exec"], ["exec", "resume", "--last"]].map((command, index) => [
      ...command,
      "--skip-git-repo-check",
      "--dangerously-bypass-approvals-and-sandbox",
      index === 0 ? PROMPT : MORE,
    ]),
    leaves: { words },
  },
  {
    name: "opencode",
    file: "opencode",
    source: { npm: "opencode-ai@1.18.33" },
    program: "node_modules/.bin/opencode",
    postinstall: ["node_modules/opencode-ai", "postinstall.mjs"],
    prepare: async ({ url, work }) => {
      const models = { [MODEL_ID]: { name: MODEL_ID, limit: { context: 65_536, output: 8192 } } };
      const options = { baseURL: `${url}/v1`, apiKey: "none" };
      const packkv = { npm: "@ai-sdk/openai-compatible", name: "packkv", options, models };
      const config = { provider: { packkv }, model: `packkv/${MODEL_ID}` };
      await Deno.writeTextFile(`${work}/opencode.json`, JSON.stringify(config));
    },
    env: () => ({}),
    runs: [["run", PROMPT], ["run", "-c", MORE]],
    leaves: { words },
  },
  {
    name: "Qwen Code",
    file: "qwen_code",
    source: { npm: "@qwen-code/qwen-code@0.15.10" },
    program: "node_modules/.bin/qwen",
    env: ({ url }) => ({
      OPENAI_BASE_URL: `${url}/v1`,
      OPENAI_API_KEY: "none",
      OPENAI_MODEL: MODEL_ID,
      // It asks a proxy for addresses of this machine too.
      HTTPS_PROXY: "",
    }),
    runs: [["--auth-type", "openai", "-y", "-p", PROMPT]],
    leaves: { words },
  },
  {
    name: "Cline",
    file: "cline",
    source: { npm: "cline@3.0.65" },
    program: "node_modules/.bin/cline",
    prepare: async ({ url, home }) => {
      const folder = `${home}/.cline/data/settings`;
      await Deno.mkdir(folder, { recursive: true });
      const settings = {
        provider: "openai-compatible",
        apiKey: "none",
        model: MODEL_ID,
        baseUrl: `${url}/v1`,
      };
      const updatedAt = new Date(0).toISOString();
      const provider = { settings, updatedAt, tokenSource: "manual" };
      const config = {
        version: 1,
        lastUsedProvider: "openai-compatible",
        providers: { "openai-compatible": provider },
      };
      await Deno.writeTextFile(`${folder}/providers.json`, JSON.stringify(config));
    },
    env: () => ({}),
    runs: [["-P", "openai-compatible", "-m", MODEL_ID, "-k", "none", PROMPT]],
    leaves: { words },
  },
  {
    name: "Aider",
    file: "aider",
    source: { pip: "aider-chat==0.86.2" },
    program: "bin/aider",
    env: ({ url }) => ({
      OPENAI_API_BASE: `${url}/v1`,
      OPENAI_API_KEY: "none",
      LITELLM_LOCAL_MODEL_COST_MAP: "True",
    }),
    runs: [[
      "--model",
      `openai/${MODEL_ID}`,
      "--edit-format",
      "diff",
      "--yes-always",
      "--no-check-update",
      "--no-show-release-notes",
      "--analytics-disable",
      "--no-show-model-warnings",
      "--message",
      "Make a file hello.txt.",
    ]],
    leaves: { file: "hello.txt", text: "packkv-was-here\n" },
  },
];
