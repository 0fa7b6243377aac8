/**
 * What a calibration is given of a layer, slice by slice.
 *
 * @module
 */

/** Heads of a layer. */
export interface CalibrationShape {
  queryHeadCount: number;
  kvHeadCount: number;
  headSize: number;
}

/** What one slice of the text gives of a layer; rows are its tokens. */
export interface SliceSample {
  /** Position of the first row, a multiple of 8. */
  position: number;
  rowCount: number;
  /** After RoPE. f32 `[rows][queryHeadCount * headSize]`. */
  queries: Float32Array;
  /** After RoPE. f32 `[rows][kvHeadCount * headSize]`. */
  keys: Float32Array;
  /** f32 `[rows][kvHeadCount * headSize]`. */
  values: Float32Array;
}
