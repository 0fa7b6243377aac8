/**
 * All methods that keep less of a prompt, and the text that asks for one:
 * `name:setting=value,setting=value`.
 *
 * @module
 */

import { chunkKv } from "./chunkkv.ts";
import { dBudgetKv } from "./dbudgetkv.ts";
import { type KeepMethod, OBSERVED_COUNT_MAX } from "./method.ts";
import { think } from "./think.ts";

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
  /** What it chooses: each is chosen by one method at most. */
  chooses: "tokens" | "channels";
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
    chooses: "tokens",
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
    chooses: "tokens",
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
  think: {
    help: "all tokens, without the channels of K that matter least to the prompt's end",
    chooses: "channels",
    settings: {
      ratio: numberOf("share of the channels of K that goes (0.4)", { min: 0.05, max: 0.9 }),
      w: QUERIES,
    },
    create: (id, given) =>
      think(id, { ratio: Number(given.ratio ?? 0.4), queryCount: Number(given.w ?? 32) }),
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
  const methods = methodsOf(text);
  if (methods.length === 0) refuse(text, `wanted ${wantedNames()}`);
  const names = methods.map(([each]) => each);
  if (methods.length > 1 && names.includes(KEEP_EVERYTHING)) {
    refuse(text, `${KEEP_EVERYTHING} stands alone`);
  }
  const made = methods.map(([name, settings]) => ({ name, ...oneMethod(text, name, settings) }));
  const [tokens, ...moreTokens] = made.filter(({ chooses }) => chooses === "tokens");
  const [channels, ...moreChannels] = made.filter(({ chooses }) => chooses === "channels");
  if (moreTokens.length > 0) {
    refuse(
      text,
      `${[tokens, ...moreTokens].map(({ name }) => name).join(" and ")} both say which tokens ` +
        "stay; chunkkv:budget=auto is chunks by the rule of dbudgetkv",
    );
  }
  if (moreChannels.length > 0) refuse(text, `${channels.name} stands twice`);
  if (tokens === undefined) return channels.method;
  return channels === undefined ? tokens.method : together(text, tokens.method, channels.method);
}

/** Tokens first, then channels of what stays: both by the same queries, of each store its own. */
function together(text: string, tokens: KeepMethod, channels: KeepMethod): KeepMethod {
  const [own, other] = [tokens.observation, channels.observation];
  if (own.storesTogether > 1) refuse(text, "reuse is for tokens alone; channels are each layer's");
  if (own.needsSums && own.queryCount !== other.queryCount) {
    refuse(text, `both look at the same last queries; wanted one w for both`);
  }
  return {
    ...tokens,
    id: text,
    observation: { ...own, queryCount: other.queryCount, needsChannels: true },
    keepChannels: channels.keepChannels!,
  };
}

/** A method with its settings, checked. */
function oneMethod(
  text: string,
  kindName: string,
  settings: readonly [string, string][],
): { method: KeepMethod; chooses: KeepKind["chooses"] } {
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
  return { method: kind.create(text, given), chooses: kind.chooses };
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
