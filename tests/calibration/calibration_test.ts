import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type Calibration,
  parseCalibration,
  serialiseCalibration,
} from "../../src/calibration/calibration.ts";
import { saveCalibration } from "../../src/calibration/store.ts";
import { EngineError } from "../../src/core/errors.ts";
import { crc32 } from "node:zlib";
import { seededRandom } from "../support/numeric.ts";

const MODEL = "00112233445566778899aabbccddeeff";
const CHANNEL_COUNT = 64;
const EXPECTED = {
  modelFingerprint: MODEL,
  path: "some.bin",
  layerCount: 3,
  kvHeadCount: 2,
  channelCount: CHANNEL_COUNT,
};

function sample(hasDamage: boolean, noise = 0): Calibration {
  const random = seededRandom(41);
  // Values in the middle of what is rounded to one.
  const value = () => Math.fround((1 + Math.floor(random() * 1024) / 1024) * (1 + noise));
  const array = () => Float32Array.from({ length: CHANNEL_COUNT }, value);
  const side = () => ({ mean: array(), between: array(), within: array() });
  const layers = Array.from({ length: EXPECTED.layerCount }, () => ({
    normReference: value(),
    recall: Float32Array.of(value() / 4, 0),
    queryEnergy: array(),
    key: side(),
    value: side(),
    ...(hasDamage ? { damage: { key: value(), value: value() } } : {}),
  }));
  return { modelFingerprint: MODEL, textFingerprint: "f".repeat(32), tokenCount: 4096, layers };
}

/** The file with one word replaced and a checksum that matches. */
function withWord(bytes: Uint8Array, at: number, word: number): Uint8Array {
  const changed = bytes.slice();
  const view = new DataView(changed.buffer);
  view.setUint32(at, word, true);
  view.setUint32(changed.length - 4, crc32(changed.subarray(0, -4)), true);
  return changed;
}

function refusal(bytes: Uint8Array, expected = EXPECTED): string {
  const error = assertThrows(() => parseCalibration(bytes, expected), EngineError) as EngineError;
  assertEquals(error.code, "model_file_invalid");
  assert(error.message.includes("some.bin"), error.message);
  assert(error.message.includes("packkv calibrate --model"), error.message);
  return error.message;
}

for (const hasDamage of [false, true]) {
  Deno.test(`parseCalibration() inverts serialiseCalibration(), damages ${hasDamage}`, () => {
    const calibration = sample(hasDamage);
    assertEquals(parseCalibration(serialiseCalibration(calibration), EXPECTED), calibration);
    const held = { ...calibration, stepFactor: 861 / 1024 };
    assertEquals(parseCalibration(serialiseCalibration(held), EXPECTED), held);
  });
}

Deno.test("serialiseCalibration() gives the same bytes if values differ by 1e-5", () => {
  assertEquals(serialiseCalibration(sample(true, 1e-5)), serialiseCalibration(sample(true)));
  assert(
    serialiseCalibration(sample(true, 2e-3)).some((byte, index) => {
      return byte !== serialiseCalibration(sample(true))[index];
    }),
  );
});

Deno.test("serialiseCalibration() takes about 92 KB for 30 layers of 192 channels", () => {
  const one = sample(false).layers[0];
  const wide = (array: Float32Array) => Float32Array.from([...array, ...array, ...array]);
  const side = ({ mean, between, within }: typeof one.key) => ({
    mean: wide(mean),
    between: wide(between),
    within: wide(within),
  });
  const layer = {
    ...one,
    queryEnergy: wide(one.queryEnergy),
    key: side(one.key),
    value: side(one.value),
  };
  const bytes = serialiseCalibration({ ...sample(false), layers: Array(30).fill(layer) });
  assertEquals(bytes.length, 64 + 30 * (4 + 2 * 4 + 192 * 16) + 4);
});

Deno.test("serialiseCalibration() refuses what it cannot store", () => {
  const bad = sample(false);
  bad.layers[1].queryEnergy[3] = NaN;
  assertThrows(() => serialiseCalibration(bad), RangeError, "NaN");
  assertThrows(
    () => serialiseCalibration({ ...sample(false), textFingerprint: "abc" }),
    RangeError,
    "abc",
  );
  const mixed = [sample(true).layers[0], sample(false).layers[1]];
  assertThrows(() => serialiseCalibration({ ...bad, layers: mixed }), RangeError, "layer 1");
});

Deno.test("parseCalibration() refuses a file at every length but its own", () => {
  const bytes = serialiseCalibration(sample(true));
  for (let length = 0; length < bytes.length; length++) {
    const message = refusal(bytes.slice(0, length));
    assert(/not a calibration file|cut off/.test(message), message);
  }
  assert(refusal(Uint8Array.from([...bytes, 0])).includes("are expected"));
});

Deno.test("parseCalibration() refuses a file with any one byte changed", () => {
  const bytes = serialiseCalibration(sample(true));
  for (let at = 0; at < bytes.length; at += 7) {
    const changed = bytes.slice();
    changed[at] ^= 0x11;
    refusal(changed);
  }
});

Deno.test("parseCalibration() names another version, model, shape and bad value", () => {
  const bytes = serialiseCalibration(sample(false));
  assert(refusal(withWord(bytes, 8, 1)).includes("version 1"));
  assert(refusal(withWord(bytes, 12, 4)).includes("unknown flags 4"));
  const tooLarge = serialiseCalibration({ ...sample(false), stepFactor: 2 });
  assert(refusal(tooLarge).includes("the value at byte 64 is 2"));
  const other = "ab".repeat(16);
  const message = refusal(bytes, { ...EXPECTED, modelFingerprint: other });
  assert(message.includes(MODEL) && message.includes(other), message);
  assert(refusal(bytes, { ...EXPECTED, channelCount: 128 }).includes("with 128 channels"));
  assert(refusal(withWord(bytes, 64, 0x7fc00000)).includes("NaN"));
});

Deno.test("saveCalibration() says where it cannot write, and why", async () => {
  const folder = await Deno.makeTempDir();
  try {
    // A file in the place of a folder refuses root too.
    await Deno.writeTextFile(`${folder}/file`, "");
    const path = `${folder}/file/x.pkvc`;
    const refused = () => saveCalibration(sample(false), path);
    const { code } = await assertRejects(
      refused,
      EngineError,
      `Cannot keep the calibration at ${path}`,
    );
    assertEquals(code, "storage_failed");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
