/** A wrong command line: printed as one line, exit code 2. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** Throws what the program cannot do with what was asked for, a RangeError, as a usage error. */
export function usageErrorOf(error: unknown): never {
  throw error instanceof RangeError ? new UsageError(error.message) : error;
}
