/**
 * `--math`: what matrix products are made of.
 *
 * @module
 */

import type { ProductMath } from "../../mod.ts";
import type { Flags } from "./flags.ts";

/** The flag of all commands that run a model. */
export const MATH_FLAG = {
  value: "KIND",
  choices: ["f32", "int8"],
  help: "matrix products in f32 (default), or of activations as codes of 8 bits",
} as const;

/** What `--math` asks for. */
export function readMath(flags: Flags): ProductMath {
  return (flags.text("math") ?? "f32") as ProductMath;
}
