/**
 * What guesses of next tokens would gain on texts that are known: no model runs, steps are counted
 * by what their rows cost.
 *
 *     deno run -A bench/serving/guess_replay_bench.ts [--files 24] [--prose FILE]
 *
 * Edits are files of this repository, behind which their next versions are written whole. Prose is
 * cut from FILE.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { loadTokenizer } from "../../mod.ts";
import { BLOCK_TOKEN_COUNT, DRAFT_COUNT_MAX } from "../../src/core/shapes.ts";
import { rowCostOf } from "../../src/runtime/row_cost.ts";
import { ROW_COST, type RowCost } from "../../src/scheduler/decode_planner.ts";
import { ngramDrafter } from "../../src/scheduler/drafter.ts";
import { defaultModelPath } from "../../tests/support/default_model.ts";

const options = parseArgs(Deno.args, { string: ["files", "prose"] });
const SIZE = { min: 1500, max: 9000 };
const PROSE = { count: 8, promptTokenCount: 1200, answerTokenCount: 800, characters: 12_000 };

interface Trace {
  name: string;
  prompt: readonly number[];
  answer: readonly number[];
}

interface Count {
  tokenCount: number;
  time: number;
  draftCount: number;
  rightCount: number;
}

/** Steps of an answer, one after the other: behind one without guesses the next is in flight. */
function replay({ prompt, answer }: Trace, rowCost: RowCost): Count {
  const ids = [...prompt, answer[0]];
  const drafter = ngramDrafter(ids);
  const count: Count = { tokenCount: answer.length, time: 0, draftCount: 0, rightCount: 0 };
  let known = 1;
  let inFlight = 0;
  while (known < answer.length) {
    const next = known + inFlight;
    const inBlock = BLOCK_TOKEN_COUNT - 1 - (prompt.length + next) % BLOCK_TOKEN_COUNT;
    const countMax = Math.max(0, Math.min(DRAFT_COUNT_MAX, inBlock, answer.length - next - 1));
    const guesses = drafter.propose(inFlight, countMax, (guessCount, rightCount) => {
      return (1 + rightCount) / rowCost(1 + guessCount);
    });
    if (inFlight > 0) ids.push(answer[known++]);
    const wrong = guesses.findIndex((id, index) => id !== answer[known + index]);
    const rightCount = wrong < 0 ? guesses.length : wrong;
    count.time += rowCost(1 + guesses.length);
    count.draftCount += guesses.length;
    count.rightCount += rightCount;
    inFlight = guesses.length === 0 ? 1 : 0;
    if (inFlight > 0) continue;
    ids.push(...answer.slice(known, known + rightCount + 1));
    known += rightCount + 1;
    drafter.learn(guesses.length, rightCount);
  }
  return count;
}

async function git(...args: string[]): Promise<string> {
  return new TextDecoder().decode((await new Deno.Command("git", { args }).output()).stdout);
}

const tokenizer = await loadTokenizer(defaultModelPath());
const idsOf = (text: string) => tokenizer.tokenize(text, { parseSpecial: false });

async function edits(fileCount: number): Promise<Trace[]> {
  const traces: Trace[] = [];
  for (const commit of (await git("log", "--format=%h", "--no-merges")).trim().split("\n")) {
    const diff = ["diff", "--diff-filter=M", "--name-only", `${commit}^`, commit, "--", "*.ts"];
    const [name] = (await git(...diff)).split("\n");
    if (!name) continue;
    const before = await git("show", `${commit}^:${name}`);
    if (before.length < SIZE.min || before.length > SIZE.max) continue;
    const prompt = idsOf(`The file:\n\`\`\`\n${before}\`\`\`\nThe new file:\n\`\`\`\n`);
    traces.push({ name: "edits", prompt, answer: idsOf(await git("show", `${commit}:${name}`)) });
    if (traces.length === fileCount) break;
  }
  return traces;
}

async function prose(path: string): Promise<Trace[]> {
  const text = await Deno.readTextFile(path);
  const { count, promptTokenCount, answerTokenCount, characters } = PROSE;
  return Array.from({ length: count }, (_, index) => {
    const ids = idsOf(text.slice(index * characters, (index + 1) * characters));
    const answer = ids.slice(promptTokenCount, promptTokenCount + answerTokenCount);
    return { name: "prose", prompt: ids.slice(0, promptTokenCount), answer };
  });
}

const traces = [
  ...await edits(Number(options.files ?? 24)),
  ...(options.prose ? await prose(options.prose) : []),
];
const costs: [adapter: string, cost: RowCost][] = [
  ["cpu", rowCostOf({ isFallback: true }).rowCost!],
  ["gpu", ROW_COST],
];
for (const name of new Set(traces.map((trace) => trace.name))) {
  for (const [adapter, cost] of costs) {
    const counts = traces.filter((trace) => trace.name === name).map((each) => replay(each, cost));
    const sum = (key: keyof Count) => counts.reduce((total, count) => total + count[key], 0);
    const ratios = counts.map(({ tokenCount, time }) => tokenCount / time);
    console.log(JSON.stringify({
      name,
      adapter,
      texts: counts.length,
      timesFaster: sum("tokenCount") / sum("time"),
      least: Math.min(...ratios),
      rightShare: sum("rightCount") / sum("draftCount"),
    }));
  }
}
