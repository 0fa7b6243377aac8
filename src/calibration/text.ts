/**
 * The text that models are calibrated on: prose, dialogue, code, numbers and several languages,
 * written for it.
 *
 * @module
 */

import text from "./text.txt" with { type: "text" };

/** The built-in text. */
export const CALIBRATION_TEXT: string = text;
