/**
 * What a text asks decode rows to read: `name:setting=value,setting=value`.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { BLOCK_TOKEN_COUNT, divCeil } from "../core/shapes.ts";
import type { ReadMethod } from "../kvcache/reading.ts";

export type { ReadMethod };

/** What asks for every token to be read. */
export const READ_EVERYTHING = "all";

/** First layers that read every block, unless a text says how many. */
const DENSE_LAYER_COUNT = 2;

const COUNT_MAX = 2 ** 24;

/** Share of the arena for values that lie in host memory otherwise, unless a text says how much. */
const VALUE_SHARE = 0.2;

interface ReadKind extends Pick<ReadMethod, "kind" | "scoredBy"> {
  /** Its setting that says how much is read. */
  setting: string;
  /** Blocks, of what the setting says; null if that is a share of the attention. */
  blockCount: ((value: number) => number) | null;
  /** Share of the arena for values, where they lie in host memory; setting `pool`. */
  valueShare?: number;
}

const KINDS: Readonly<Record<string, ReadKind>> = {
  quest: { kind: "range", scoredBy: "summary", setting: "blocks", blockCount: (value) => value },
  clusterkv: {
    kind: "clusters",
    scoredBy: "summary",
    setting: "tokens",
    blockCount: (value) => divCeil(value, BLOCK_TOKEN_COUNT),
  },
  hcattention: {
    kind: "range",
    scoredBy: "keys",
    setting: "tau",
    blockCount: null,
    valueShare: VALUE_SHARE,
  },
};

/** What others are measured against: blocks by the attention they get. */
const MEASURED_KINDS: Readonly<Record<string, ReadKind>> = {
  ...KINDS,
  oracle: {
    kind: "range",
    scoredBy: "attention",
    setting: "blocks",
    blockCount: (value) => value,
  },
  hcattention: { kind: "range", scoredBy: "attention", setting: "tau", blockCount: null },
};

/** Methods that are measured and not served, with the reason. */
const NOT_SERVED: Readonly<Record<string, string>> = {
  oracle: "it looks at all keys to choose; it serves to measure, by packkv eval --read",
  deltakv: "it is how blocks are stored, not what is read of them; use --profile deltakv",
};

/**
 * The method that a text names; null for {@link READ_EVERYTHING}.
 *
 * @throws {RangeError} naming what is wrong and what would be right.
 */
export function readMethod(text: string): ReadMethod | null {
  return parse(text, KINDS)?.method ?? null;
}

/**
 * The same with `oracle:blocks=N` and `hcattention:tau=T`, which serve to measure.
 *
 * @throws {RangeError} naming what is wrong and what would be right.
 */
export function measuredReadMethod(text: string): ReadMethod | null {
  return parse(text, MEASURED_KINDS)?.method ?? null;
}

/** A method, and the settings that its text gives. */
interface Parsed {
  method: ReadMethod;
  given: ReadonlyMap<string, number>;
}

function parse(text: string, kinds: typeof KINDS): Parsed | null {
  if (text === READ_EVERYTHING) return null;
  const [name, ...rest] = text.split(":");
  const found = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (found === undefined) {
    if (Object.hasOwn(NOT_SERVED, name)) refuse(text, `${name} is not served: ${NOT_SERVED[name]}`);
    refuse(text, `no method is called ${name || "that"}; wanted ${wanted()}`);
  }
  const { kind, scoredBy, setting, blockCount, valueShare = null } = found;
  const settings = [setting, "dense", ...valueShare === null ? [] : ["pool"]];
  const given = new Map<string, number>();
  for (const part of rest.join(":").split(",").filter((each) => each !== "")) {
    const [settingName, value = ""] = part.split("=", 2);
    if (!settings.includes(settingName)) {
      refuse(text, `${name} has no setting ${settingName}; it has ${settings.join(", ")}`);
    }
    if (given.has(settingName)) refuse(text, `${settingName} stands twice`);
    const isShare = settingName === "pool" || (settingName === setting && blockCount === null);
    given.set(settingName, readAmount(text, { name: settingName, value, isShare }));
  }
  const amount = given.get(setting);
  if (amount === undefined) refuse(text, `${name} needs ${setting}; wanted ${wanted()}`);
  const pool = given.get("pool") ?? valueShare;
  if (pool === 1) refuse(text, "pool is 1, and leaves no room for keys; wanted less");
  const denseLayerCount = given.get("dense") ?? DENSE_LAYER_COUNT;
  const read = blockCount === null
    ? { blockCount: Infinity, share: amount }
    : { blockCount: blockCount(amount), share: null };
  const method = { id: text, kind, scoredBy, ...read, valueShare: pool, denseLayerCount };
  return { method, given };
}

function readAmount(
  text: string,
  { name, value, isShare }: { name: string; value: string; isShare: boolean },
): number {
  const least = name === "dense" ? 0 : 1;
  const amount = value.trim() === "" ? NaN : Number(value);
  const isIn = isShare
    ? amount > 0 && amount <= 1
    : Number.isInteger(amount) && amount >= least && amount <= COUNT_MAX;
  if (isIn) return amount;
  const range = isShare
    ? "a share above 0, at most 1"
    : `a whole number from ${least} to ${COUNT_MAX}`;
  return refuse(text, `${name} is ${value || "empty"}; wanted ${range}`);
}

/** What a cache needs for it. */
export function cacheForReading(
  read: ReadMethod | null,
): Record<"denseLayerCount" | "valueShare", number | null> {
  return { denseLayerCount: read?.denseLayerCount ?? null, valueShare: read?.valueShare ?? null };
}

/** How much the rows of a request read: so many blocks, or a share of their attention. */
export type RequestedRead = Pick<ReadMethod, "blockCount" | "share">;

const ALL: RequestedRead = { blockCount: Infinity, share: 1 };

/**
 * How much the rows of a request read, in an engine of a method.
 *
 * @param text What the request asks for; null for what the engine was created with.
 * @throws {EngineError} `invalid_request` if the engine cannot do that.
 */
export function requestedRead(text: string | null, engine: string | null): RequestedRead {
  if (engine === null) {
    if (text === null || text === READ_EVERYTHING) return ALL;
    return refuseRequest("read is asked for, and the server was started without --read");
  }
  const inForce = readMethod(engine)!;
  if (text === null) return inForce;
  const parsed = checkedParse(text);
  if (parsed === null) return ALL;
  const { method: asked, given } = parsed;
  if (asked.kind !== inForce.kind || asked.scoredBy !== inForce.scoredBy) {
    refuseRequest(
      `read is ${text}, and the server scores blocks for ${engine}; wanted the same ` +
        `method, or ${READ_EVERYTHING}`,
    );
  }
  if (given.has("dense") && asked.denseLayerCount !== inForce.denseLayerCount) {
    refuseRequest(
      `read is ${text}, and the first ${inForce.denseLayerCount} layers read every ` +
        "block; that is chosen when the server starts",
    );
  }
  if (given.has("pool") && asked.valueShare !== inForce.valueShare) {
    refuseRequest(
      `read is ${text}, and the pool of values is ${inForce.valueShare} of the arena; that is ` +
        "chosen when the server starts",
    );
  }
  return asked;
}

/** @throws {EngineError} `invalid_request` naming what is wrong. */
export function checkedRead(text: string): ReadMethod | null {
  return checkedParse(text)?.method ?? null;
}

function checkedParse(text: string): Parsed | null {
  try {
    return parse(text, KINDS);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new EngineError("invalid_request", error.message, { param: "read" });
  }
}

function wanted(): string {
  const methods = Object.entries(KINDS).map(([name, { setting, blockCount }]) =>
    `${name}:${setting}=${blockCount === null ? "SHARE" : "N"}`
  );
  return [...methods, READ_EVERYTHING].join(", ");
}

function refuse(text: string, why: string): never {
  throw new RangeError(`Cannot read ${JSON.stringify(text)}: ${why}`);
}

function refuseRequest(why: string): never {
  throw new EngineError("invalid_request", `Cannot generate: ${why}`, { param: "read" });
}
