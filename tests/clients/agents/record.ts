/**
 * `deno task agents`: installs coding agents, runs each against a server of this checkout, and
 * checks that it works and that nothing is read twice. Takes some minutes and 3 GB.
 *
 *   deno task agents [NAME...]        only those whose name has one of these words
 *   deno task agents --write          also writes their requests, for agent_requests_test.ts
 */

import { fileURLToPath } from "node:url";
import { type AgentServer, startAgentServer } from "./agent_server.ts";
import { type AgentPlace, CODING_AGENTS, type CodingAgent } from "./coding_agents.ts";
import { record } from "./recording.ts";
import { COMMAND_OUTPUT } from "./scripted_model.ts";

const FOLDER = fileURLToPath(new URL("../../../.cache/coding-agents", import.meta.url));
const RUN_MS_MAX = 180_000;
const CACHED_SHARE_MIN = 0.95;

async function run(command: string, args: readonly string[], options: Deno.CommandOptions) {
  const signal = AbortSignal.timeout(RUN_MS_MAX);
  const child = new Deno.Command(command, { args: [...args], signal, stdin: "null", ...options });
  const { code, stdout, stderr } = await child.output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  return { code, said };
}

async function must(command: string, args: readonly string[], options: Deno.CommandOptions = {}) {
  const { code, said } = await run(command, args, options);
  if (code !== 0) throw new Error(`Cannot run ${command} ${args.join(" ")}: ${said.slice(-2000)}`);
}

/** The folder of an agent, installed once for its version. */
async function install({ file, source, postinstall }: CodingAgent): Promise<string> {
  const folder = `${FOLDER}/${file}`;
  const [name] = Object.values(source);
  const marker = `${folder}/installed`;
  if (await Deno.readTextFile(marker).catch(() => "") === name) return folder;
  console.log(`installing ${name}`);
  await Deno.mkdir(folder, { recursive: true });
  if ("npm" in source) {
    const flags = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts"];
    await must("npm", ["install", "--prefix", folder, ...flags, name]);
    const [below, script] = postinstall ?? [];
    if (script !== undefined) await must("node", [script], { cwd: `${folder}/${below}` });
  } else {
    await must("python3", ["-m", "venv", folder]);
    await must(`${folder}/bin/pip`, ["install", "--quiet", name]);
  }
  await Deno.writeTextFile(marker, name);
  return folder;
}

/** What is wrong with what a server has seen of an agent. */
function faultsOf({ seen }: AgentServer): string[] {
  const refused = seen.filter(({ status }) => status >= 400 && status !== 426)
    .map(({ path, status, refusal }) => `${path} got ${status}: ${refusal}`);
  // The first with tools begins the conversation; its runs are asked one after the other.
  const conversation = seen.filter(({ body }) => body.includes('"tools":[{'));
  const missed = conversation.slice(1).flatMap(({ usage }, index) => {
    if (usage === null) return [`request ${index + 2} of the conversation was not read`];
    const share = usage.cachedTokenCount / usage.promptTokenCount;
    return share >= CACHED_SHARE_MIN
      ? []
      : [`request ${index + 2} of the conversation has ${Math.round(share * 100)}% cached`];
  });
  return [...refused, ...missed, ...(seen.length === 0 ? ["it asked for nothing"] : [])];
}

async function check(agent: CodingAgent, writes: boolean): Promise<string[]> {
  const folder = await install(agent);
  const server = await startAgentServer();
  const [home, work] = [await Deno.makeTempDir(), await Deno.makeTempDir()];
  try {
    const place: AgentPlace = { url: server.url, home, work };
    await must("git", ["init", "--quiet", work]);
    for (const [name, value] of [["user.name", "a"], ["user.email", "a@localhost"]]) {
      await must("git", ["-C", work, "config", name, value]);
    }
    await agent.prepare?.(place);
    // No other server can be reached.
    const env = {
      PATH: Deno.env.get("PATH") ?? "",
      HOME: home,
      HTTPS_PROXY: "http://127.0.0.1:9",
      NO_PROXY: "127.0.0.1,localhost",
      ...agent.env(place),
    };
    let last = "";
    for (const args of agent.runs) {
      const ran = await run(`${folder}/${agent.program}`, args, { cwd: work, env, clearEnv: true });
      if (ran.code !== 0) return [`it ended with code ${ran.code}: ${ran.said.slice(-2000)}`];
      last = ran.said;
      await server.engine.idle();
    }
    const faults = faultsOf(server);
    const { leaves } = agent;
    if ("words" in leaves) {
      if (!leaves.words.test(last)) faults.push(`its end is another: ${last.slice(-1000)}`);
      const hasRun = server.seen.some(({ body }) => body.includes(`${COMMAND_OUTPUT}`));
      if (!hasRun) faults.push("it did not run the command that the model asked for");
    } else {
      const text = await Deno.readTextFile(`${work}/${leaves.file}`).catch(() => null);
      if (text !== leaves.text) faults.push(`${leaves.file} is ${JSON.stringify(text)}`);
    }
    if (writes && faults.length === 0) {
      const recording = record(Object.values(agent.source)[0], server.seen, [work, home]);
      const path = new URL(`./recorded/${agent.file}.json`, import.meta.url);
      await Deno.writeTextFile(path, `${JSON.stringify(recording, null, 1)}\n`);
    }
    return faults;
  } finally {
    await server.stop();
    await Promise.all([home, work].map((each) => Deno.remove(each, { recursive: true })));
  }
}

const writes = Deno.args.includes("--write");
const wanted = Deno.args.filter((each) => !each.startsWith("-")).map((each) => each.toLowerCase());
const chosen = CODING_AGENTS.filter(({ name }) =>
  wanted.length === 0 || wanted.some((word) => name.toLowerCase().includes(word))
);
let failedCount = 0;
for (const agent of chosen) {
  const faults = await check(agent, writes);
  if (faults.length > 0) failedCount++;
  console.log(`${agent.name}: ${faults.length === 0 ? "works" : faults.join("\n  ")}`);
}
console.log(`${chosen.length - failedCount} passed, ${failedCount} failed`);
Deno.exit(failedCount === 0 ? 0 : 1);
