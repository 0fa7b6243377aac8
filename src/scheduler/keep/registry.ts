/**
 * All methods that keep less of a prompt, and the text that asks for one:
 * `name:setting=value,setting=value`.
 *
 * @module
 */

import { chunkKv } from "./chunkkv.ts";
import { dBudgetKv } from "./dbudgetkv.ts";
import { type KeepMethod, OBSERVED_COUNT_MAX } from "./method.ts";

/** What asks for every token to be kept. */
export const KEEP_EVERYTHING = "all";

/** A setting of a method. */
interface KeepSetting {
  help: string;
  /** What a value may be, in words. */
  range: string;
  /** The value of a text; undefined if it is none. */
  read(text: string): number | string | undefined;
}

/** A method before its settings are known. */
interface KeepKind {
  help: string;
  settings: Readonly<Record<string, KeepSetting>>;
  create(id: string, given: Readonly<Record<string, number | string>>): KeepMethod;
}

function numberOf(
  help: string,
  { min, max, isInteger = false }: { min: number; max: number; isInteger?: boolean },
): KeepSetting {
  return {
    help,
    range: `${isInteger ? "a whole number from " : ""}${min} to ${max}`,
    read(text) {
      const value = text.trim() === "" ? NaN : Number(text);
      const isRight = value >= min && value <= max && (!isInteger || Number.isInteger(value));
      return isRight ? value : undefined;
    },
  };
}

function wordOf(help: string, words: readonly string[]): KeepSetting {
  return { help, range: words.join(" or "), read: (text) => words.find((word) => word === text) };
}

const QUERIES = numberOf("last queries whose attention counts (32)", {
  min: 1,
  max: OBSERVED_COUNT_MAX,
  isInteger: true,
});
const SINKS = numberOf("first tokens that always stay (4)", { min: 1, max: 64, isInteger: true });
const THETA = numberOf("share of the last attention's norm that may be lost (0.01)", {
  min: 0,
  max: 0.5,
});

const KINDS: Readonly<Record<string, KeepKind>> = {
  chunkkv: {
    help: "runs of tokens that the prompt's end attends to",
    settings: {
      ratio: numberOf("share of the prompt that stays (0.5)", { min: 0.01, max: 1 }),
      tokens: numberOf("tokens of the prompt that stay", { min: 1, max: 2 ** 24, isInteger: true }),
      budget: wordOf("drop what costs no more than theta", ["auto"]),
      theta: THETA,
      chunk: numberOf("tokens of a run, 1 to drop token by token (16)", {
        min: 1,
        max: 64,
        isInteger: true,
      }),
      w: QUERIES,
      sinks: SINKS,
      reuse: numberOf("neighbouring layers that keep the same (1)", {
        min: 1,
        max: 64,
        isInteger: true,
      }),
    },
    create(id, given) {
      const asked = ["ratio", "tokens", "budget"].filter((name) => name in given);
      if (asked.length > 1) refuse(id, `${asked.join(" and ")} say the same; wanted one of them`);
      if ("theta" in given && !("budget" in given)) refuse(id, "theta goes with budget=auto");
      const { ratio = 0.5, tokens, budget, theta = 0.01 } = given as Record<string, number>;
      return chunkKv(id, {
        budget: budget !== undefined
          ? { lossMax: theta }
          : tokens !== undefined
          ? { tokens }
          : { ratio },
        chunkSize: Number(given.chunk ?? 16),
        queryCount: Number(given.w ?? 32),
        sinkCount: Number(given.sinks ?? 4),
        storesTogether: Number(given.reuse ?? 1),
      });
    },
  },
  dbudgetkv: {
    help: "as much as the last attention's norm allows, layer by layer",
    settings: {
      theta: THETA,
      rank: wordOf("what makes a token important (position)", ["position", "attention"]),
      w: QUERIES,
      sinks: SINKS,
    },
    create(id, given) {
      const rank = given.rank === "attention" ? "attention" : "position";
      if ("w" in given && rank === "position") refuse(id, "w goes with rank=attention");
      return dBudgetKv(id, {
        lossMax: Number(given.theta ?? 0.01),
        rank,
        queryCount: Number(given.w ?? 32),
        sinkCount: Number(given.sinks ?? 4),
      });
    },
  },
};

/** Names of all methods. */
export const KEEP_METHOD_NAMES: readonly string[] = Object.keys(KINDS);

/**
 * The method that a text asks for; null for {@link KEEP_EVERYTHING}.
 *
 * @throws {RangeError} naming what is wrong and what would be right.
 */
export function keepMethod(text: string): KeepMethod | null {
  if (text === KEEP_EVERYTHING) return null;
  const [name, ...others] = methodsOf(text);
  if (name === undefined) refuse(text, `wanted ${wantedNames()}`);
  if (others.length > 0) {
    const names = [name, ...others].map(([each]) => each);
    if (names.includes(KEEP_EVERYTHING)) refuse(text, `${KEEP_EVERYTHING} stands alone`);
    refuse(
      text,
      `${names.join(" and ")} both say which tokens stay; chunkkv:budget=auto is chunks by the ` +
        "rule of dbudgetkv",
    );
  }
  const [kindName, settings] = name;
  const kind = Object.hasOwn(KINDS, kindName) ? KINDS[kindName] : undefined;
  if (kind === undefined) refuse(text, `no method is called ${kindName}; wanted ${wantedNames()}`);
  const given: Record<string, number | string> = {};
  for (const [settingName, value] of settings) {
    const setting = Object.hasOwn(kind.settings, settingName)
      ? kind.settings[settingName]
      : undefined;
    if (setting === undefined) {
      const names = Object.keys(kind.settings).join(", ");
      refuse(text, `${kindName} has no setting ${settingName}; it has ${names}`);
    }
    const read = setting.read(value);
    if (read === undefined) {
      refuse(text, `${settingName} is ${value || "empty"}; wanted ${setting.range}`);
    }
    if (settingName in given) refuse(text, `${settingName} stands twice`);
    given[settingName] = read;
  }
  return kind.create(text, given);
}

/** Methods of a text with their settings: a part with no `=` or with `:` begins one. */
function methodsOf(text: string): [name: string, settings: [string, string][]][] {
  const methods: [string, [string, string][]][] = [];
  for (const part of text.split(",")) {
    const [, name, rest] = /^(?:([^:=]*):)?(.*)$/s.exec(part)!;
    const setting = /^([^=]+)=(.*)$/s.exec(rest);
    if (name !== undefined) methods.push([name, []]);
    else if (setting === null) methods.push([rest, []]);
    const method = methods.at(-1);
    if (method === undefined) refuse(text, `wanted ${wantedNames()} before ${part}`);
    if (setting !== null) method[1].push([setting[1], setting[2]]);
    else if (name !== undefined) refuse(text, `wanted settings behind ${name}:`);
  }
  return methods;
}

function wantedNames(): string {
  return `${KEEP_METHOD_NAMES.join(", ")} or ${KEEP_EVERYTHING}`;
}

function refuse(text: string, why: string): never {
  throw new RangeError(`Cannot keep ${JSON.stringify(text)}: ${why}`);
}
