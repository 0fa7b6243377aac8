/**
 * What `deltakv-global:setting=value:setting=value` asks for.
 *
 * @module
 */

/** Settings of DeltaKV; see {@link DELTAKV_DEFAULTS} for what is published. */
export interface DeltaKvSettings {
  /** Every so many tokens one is a centre, 2 to 64. */
  stride: number;
  /** Nearest earlier centres whose mean a token is described by, 1 to 16. */
  neighbourCount: number;
  /**
   * Bits of a code of the published layout, 2, 4 or 8; 16 keeps its numbers as f16. Null packs what
   * is left of the values instead.
   */
  bits: number | null;
  /** Steps of packed form relative to a token's range, as those of profile `paper`. */
  keyRel: number;
  /** Of values. */
  valueRel: number;
  /** File with trained compressors; null if what is left is kept itself. */
  compressor: string | null;
}

/** First tokens that stay raw, and are centres: as published. */
export const SINK_TOKEN_COUNT = 8;

/** A stride of 10 and 4 neighbours as in the published configurations. */
export const DELTAKV_DEFAULTS: DeltaKvSettings = {
  stride: 10,
  neighbourCount: 4,
  bits: null,
  keyRel: 0.1,
  valueRel: 0.2,
  compressor: null,
};

/** Steps of codes of 8 bits, and of three levels. */
const [REL_MIN, REL_MAX] = [1 / 254, 0.5];

const NUMBERS: Readonly<
  Record<string, { field: keyof DeltaKvSettings; isIn: (value: number) => boolean; range: string }>
> = {
  stride: { field: "stride", ...wholeNumber(2, 64) },
  neighbours: { field: "neighbourCount", ...wholeNumber(1, 16) },
  bits: { field: "bits", isIn: (value) => [2, 4, 8, 16].includes(value), range: "2, 4, 8 or 16" },
  "k-rel": { field: "keyRel", ...relative() },
  "v-rel": { field: "valueRel", ...relative() },
};

/**
 * Reads the settings behind `deltakv-global`.
 *
 * @param text E.g. `deltakv-global:stride=20:bits=4`.
 * @throws {RangeError} naming what is wrong and what would be right.
 */
export function readDeltaKvSettings(text: string): DeltaKvSettings {
  const refuse = (why: string): never => {
    throw new RangeError(`Cannot evaluate ${text}: ${why}`);
  };
  const settings = { ...DELTAKV_DEFAULTS };
  const given = new Set<string>();
  for (const part of text.split(":").slice(1)) {
    const [name, value = ""] = part.split("=", 2);
    if (given.has(name)) refuse(`${name} stands twice`);
    given.add(name);
    if (name === "compressor") {
      settings.compressor = value === "" ? refuse("compressor is empty; wanted a file") : value;
      continue;
    }
    if (!Object.hasOwn(NUMBERS, name)) {
      refuse(`it has no setting ${name}; it has ${Object.keys(NUMBERS).join(", ")}, compressor`);
    }
    const { field, isIn, range } = NUMBERS[name];
    const number = value.trim() === "" ? NaN : Number(value);
    if (!isIn(number)) refuse(`${name} is ${value || "empty"}; wanted ${range}`);
    Object.assign(settings, { [field]: number });
  }
  if (settings.compressor !== null) settings.bits ??= 16;
  if (settings.bits !== null && (given.has("k-rel") || given.has("v-rel"))) {
    refuse("k-rel and v-rel are of the packed form, which bits and compressor replace");
  }
  return settings;
}

function wholeNumber(least: number, most: number) {
  return {
    isIn: (value: number) => Number.isInteger(value) && value >= least && value <= most,
    range: `a whole number from ${least} to ${most}`,
  };
}

function relative() {
  return {
    isIn: (value: number) => value >= REL_MIN && value <= REL_MAX,
    range: "1/254 (0.00394) to 0.5",
  };
}
