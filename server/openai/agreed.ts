/**
 * One meaning under several names.
 *
 * @module
 */

import { ApiError } from "./errors.ts";

/**
 * The value of fields that mean the same; null if none is given.
 *
 * @param given Values by the names of their fields.
 * @throws {ApiError} 400 if two are given and differ.
 */
export function agreed<T extends string | number | boolean>(
  given: Readonly<Record<string, T | null | undefined>>,
): T | null {
  let [firstName, first]: [string, T | null] = ["", null];
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === first) continue;
    if (first === null) [firstName, first] = [name, value];
    else {
      const message = `Cannot accept ${name}: ${firstName} means the same and differs`;
      throw new ApiError(400, message, { param: name, code: "invalid_value" });
    }
  }
  return first;
}
