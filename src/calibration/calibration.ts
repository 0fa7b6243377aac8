/**
 * What is known of a model's keys, values and queries, and the file it is kept in.
 *
 * The file is little-endian: the magic, u32 version, flags (bit 0: layers have damages; bit 1: a
 * step factor follows), token count, layer count, KV head count, channel count; 16 bytes each that
 * stand for the model and the text; f32 step factor if flagged; the layers; the CRC-32 of all
 * before. A layer is f32 `normReference`, f32 damage of K and V if flagged, f32 recall scores
 * `[heads]`, f32 query energies `[channels]`, then f16 `[channels]` mean, between and within of K
 * and of V.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { EngineError } from "../core/errors.ts";
import type { SideSpread } from "./bands.ts";

/** What is known of one layer. */
export interface LayerCalibration {
  /** Geometric mean over tokens of the mean magnitude of V over all channels. */
  normReference: number;
  /**
   * f32 `[kvHeadCount * headSize]`: root mean square of the queries of the head's group, each by
   * its weight, as `LayerQueryWeights` has it.
   */
  queryEnergy: Float32Array;
  /** f32 `[kvHeadCount]`: how much the head looks up what followed a token before, 0 to 1. */
  recall: Float32Array;
  /** K in units of a score. */
  key: SideSpread;
  /** V in units of `normReference`. */
  value: SideSpread;
  /** Mean KL when only this layer's K or V is compressed; left out if it was not measured. */
  damage?: { key: number; value: number };
}

/** What is known of a model. */
export interface Calibration {
  /** What stands for the model file: 32 hexadecimal digits. */
  modelFingerprint: string;
  /** What stands for the text: 32 hexadecimal digits. */
  textFingerprint: string;
  /** Tokens of the text that were used. */
  tokenCount: number;
  /**
   * What the steps of a profile that promises a mean KL are multiplied by so that it holds, above 0
   * and at most 1; left out if that was not measured.
   */
  stepFactor?: number;
  /** By layer; all have damages, or none. */
  layers: readonly LayerCalibration[];
}

const MAGIC = "PKVCALIB";
/** Files of another version are refused. */
export const CALIBRATION_VERSION = 3;
const HEADER_WORD_COUNT = 6;
const HAS_DAMAGE = 1;
const HAS_STEP_FACTOR = 2;
const FINGERPRINT_SIZE_BYTES = 16;
const HEADER_SIZE_BYTES = MAGIC.length + 4 * HEADER_WORD_COUNT + 2 * FINGERPRINT_SIZE_BYTES;
const CHECKSUM_SIZE_BYTES = 4;
const SPREADS = ["mean", "between", "within"] as const;
/** Fraction bits kept of an f32, as many as an f16 has. */
const FRACTION_BITS_DROPPED = 13;

const scratch = new DataView(new ArrayBuffer(4));

/** An f32 rounded to 11 significant bits, so that float noise rarely shows. Ties go up. */
function roundStored(value: number): number {
  scratch.setFloat32(0, value);
  const half = 2 ** (FRACTION_BITS_DROPPED - 1);
  scratch.setUint32(
    0,
    ((scratch.getUint32(0) + half) >>> FRACTION_BITS_DROPPED << FRACTION_BITS_DROPPED) >>> 0,
  );
  return scratch.getFloat32(0);
}

/**
 * The file of a calibration. Values are rounded to 11 significant bits.
 *
 * @throws {RangeError} if layers differ in shape, or a value cannot be stored.
 */
export function serialiseCalibration(calibration: Calibration): Uint8Array<ArrayBuffer> {
  const { layers, tokenCount, stepFactor } = calibration;
  const channelCount = layers[0]?.queryEnergy.length ?? 0;
  const kvHeadCount = layers[0]?.recall.length ?? 0;
  const hasDamage = layers[0]?.damage !== undefined;
  const shape = { layerCount: layers.length, kvHeadCount, channelCount };
  const hasStepFactor = stepFactor !== undefined;
  const bytes = new Uint8Array(fileSizeBytes(shape, { hasDamage, hasStepFactor }));
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(MAGIC));
  let at = MAGIC.length;
  const flags = (hasDamage ? HAS_DAMAGE : 0) | (hasStepFactor ? HAS_STEP_FACTOR : 0);
  for (
    const word of [CALIBRATION_VERSION, flags, tokenCount, layers.length, kvHeadCount, channelCount]
  ) {
    view.setUint32(at, word, true);
    at += 4;
  }
  for (const fingerprint of [calibration.modelFingerprint, calibration.textFingerprint]) {
    if (!/^[0-9a-f]{32}$/.test(fingerprint)) {
      throw new RangeError(
        `Cannot store fingerprint ${fingerprint}: must be 32 hexadecimal digits`,
      );
    }
    bytes.set(Uint8Array.from(fingerprint.match(/../g)!, (pair) => parseInt(pair, 16)), at);
    at += FINGERPRINT_SIZE_BYTES;
  }
  const put = (value: number, sizeBytes: 2 | 4) => {
    if (sizeBytes === 4) view.setFloat32(at, roundStored(value), true);
    else view.setFloat16(at, value, true);
    const stored = sizeBytes === 4 ? view.getFloat32(at, true) : view.getFloat16(at, true);
    if (!Number.isFinite(stored)) {
      throw new RangeError(`Cannot store ${value} in ${sizeBytes} bytes`);
    }
    at += sizeBytes;
  };
  if (hasStepFactor) put(stepFactor, 4);
  for (const [index, layer] of layers.entries()) {
    const { damage, recall, queryEnergy, key, value } = layer;
    const arrays = [key, value].flatMap((side) => SPREADS.map((name) => side[name]));
    const isAlike = [queryEnergy, ...arrays].every((each) => each.length === channelCount) &&
      recall.length === kvHeadCount;
    if (!isAlike || (damage !== undefined) !== hasDamage) {
      throw new RangeError(`Cannot store layer ${index}: its shape is not that of layer 0`);
    }
    put(layer.normReference, 4);
    if (damage) [damage.key, damage.value].forEach((each) => put(each, 4));
    for (const each of [...recall, ...queryEnergy]) put(each, 4);
    for (const array of arrays) array.forEach((each) => put(each, 2));
  }
  view.setUint32(at, crc32(bytes.subarray(0, at)), true);
  return bytes;
}

/** What a file must belong to, and its names in errors. */
export interface ExpectedCalibration {
  /** Of the model it is wanted for. */
  modelFingerprint: string;
  /** Where it was read from, for errors. */
  path: string;
  layerCount: number;
  kvHeadCount: number;
  /** `kvHeadCount * headSize`. */
  channelCount: number;
}

/**
 * Reads a calibration.
 *
 * @throws {EngineError} `model_file_invalid` if the file is damaged, of another version or of
 * another model; the message says which and names the command that makes a new one.
 */
export function parseCalibration(bytes: Uint8Array, expected: ExpectedCalibration): Calibration {
  const refuse = (reason: string): never => {
    const { path } = expected;
    throw new EngineError(
      "model_file_invalid",
      `Cannot use calibration file ${path}: ${reason}; ` +
        'make it anew with "packkv calibrate --model MODEL"',
    );
  };
  const header = readHeader(bytes, refuse);
  const { modelFingerprint, layerCount, kvHeadCount, channelCount, hasDamage, hasStepFactor } =
    header;
  if (modelFingerprint !== expected.modelFingerprint) {
    refuse(`it was made for model ${modelFingerprint}, this is ${expected.modelFingerprint}`);
  }
  const shapeText = (of: CalibratedShape) =>
    `${of.layerCount} layers of ${of.kvHeadCount} heads with ${of.channelCount} channels`;
  if (shapeText(header) !== shapeText(expected)) {
    refuse(`it has ${shapeText(header)}, the model has ${shapeText(expected)}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = HEADER_SIZE_BYTES;
  const take = (sizeBytes: 2 | 4, isAllowed: (value: number) => boolean) => {
    const value = sizeBytes === 4 ? view.getFloat32(at, true) : view.getFloat16(at, true);
    if (!isAllowed(value)) refuse(`the value at byte ${at} is ${value}`);
    at += sizeBytes;
    return value;
  };
  const isPositive = (value: number) => value > 0 && value < Infinity;
  const isNotNegative = (value: number) => value >= 0 && value < Infinity;
  const isShare = (value: number) => value >= 0 && value <= 1;
  const takeAll = (sizeBytes: 2 | 4, isAllowed: (value: number) => boolean) =>
    Float32Array.from({ length: channelCount }, () => take(sizeBytes, isAllowed));
  const takeSide = (): SideSpread => ({
    mean: takeAll(2, Number.isFinite),
    between: takeAll(2, isNotNegative),
    within: takeAll(2, isNotNegative),
  });
  const isFactor = (value: number) => value > 0 && value <= 1;
  const promise = hasStepFactor ? { stepFactor: take(4, isFactor) } : {};
  const layers = Array.from({ length: layerCount }, (): LayerCalibration => {
    const normReference = take(4, isPositive);
    const damage = hasDamage
      ? { damage: { key: take(4, isNotNegative), value: take(4, isNotNegative) } }
      : {};
    const recall = Float32Array.from({ length: kvHeadCount }, () => take(4, isShare));
    const queryEnergy = takeAll(4, isPositive);
    return { normReference, ...damage, recall, queryEnergy, key: takeSide(), value: takeSide() };
  });
  const { textFingerprint, tokenCount } = header;
  return { modelFingerprint, textFingerprint, tokenCount, ...promise, layers };
}

function readHeader(bytes: Uint8Array, refuse: (reason: string) => never) {
  const magic = new TextDecoder("latin1").decode(bytes.subarray(0, MAGIC.length));
  if (magic !== MAGIC) refuse("it is not a calibration file");
  if (bytes.length < HEADER_SIZE_BYTES + CHECKSUM_SIZE_BYTES) refuse("it is cut off");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [version, flags, tokenCount, layerCount, kvHeadCount, channelCount] = Array.from(
    { length: HEADER_WORD_COUNT },
    (_, index) => view.getUint32(MAGIC.length + 4 * index, true),
  );
  if (version !== CALIBRATION_VERSION) {
    refuse(`it has version ${version}, this program reads ${CALIBRATION_VERSION}`);
  }
  if (flags > (HAS_DAMAGE | HAS_STEP_FACTOR)) refuse(`it has unknown flags ${flags}`);
  const hasDamage = (flags & HAS_DAMAGE) !== 0;
  const hasStepFactor = (flags & HAS_STEP_FACTOR) !== 0;
  const shape = { layerCount, kvHeadCount, channelCount };
  const sizeBytes = fileSizeBytes(shape, { hasDamage, hasStepFactor });
  if (bytes.length < sizeBytes) refuse(`it is cut off: ${bytes.length} of ${sizeBytes} bytes`);
  if (bytes.length > sizeBytes) refuse(`it has ${bytes.length} bytes, ${sizeBytes} are expected`);
  const checksumAt = sizeBytes - CHECKSUM_SIZE_BYTES;
  if (view.getUint32(checksumAt, true) !== crc32(bytes.subarray(0, checksumAt))) {
    refuse("its checksum does not match: it is damaged");
  }
  const fingerprints = [0, 1].map((index) => {
    const at = MAGIC.length + 4 * HEADER_WORD_COUNT + index * FINGERPRINT_SIZE_BYTES;
    return bytes.slice(at, at + FINGERPRINT_SIZE_BYTES).toHex();
  });
  const [modelFingerprint, textFingerprint] = fingerprints;
  return { modelFingerprint, textFingerprint, tokenCount, ...shape, hasDamage, hasStepFactor };
}

type CalibratedShape = Pick<ExpectedCalibration, "layerCount" | "kvHeadCount" | "channelCount">;

function fileSizeBytes(
  shape: CalibratedShape,
  { hasDamage, hasStepFactor }: { hasDamage: boolean; hasStepFactor: boolean },
): number {
  const { layerCount, kvHeadCount, channelCount } = shape;
  const channelSizeBytes = 4 + 2 * SPREADS.length * 2;
  const layerSizeBytes = 4 + (hasDamage ? 8 : 0) + 4 * kvHeadCount +
    channelCount * channelSizeBytes;
  const factorSizeBytes = hasStepFactor ? 4 : 0;
  return HEADER_SIZE_BYTES + factorSizeBytes + layerCount * layerSizeBytes + CHECKSUM_SIZE_BYTES;
}
