/** What went wrong, in words for people. */

/** A failure to show: what happened, what to do, and which button helps. */
export class Problem extends Error {
  /**
   * @param {string} title What happened.
   * @param {string} advice What to do about it, or what the server said.
   * @param {{ action?: "retry" | "settings" | "new" | null, status?: number }} options
   */
  constructor(title, advice, { action = null, status = 0 } = {}) {
    super(title);
    this.name = "Problem";
    this.advice = advice;
    this.action = action;
    this.status = status;
  }
}

const BY_STATUS = {
  401: () =>
    new Problem("This server wants a key.", "Enter it in the settings, then try again.", {
      action: "settings",
    }),
  404: (message) => new Problem("The server does not know this model or address.", message),
  413: () =>
    new Problem("That is more text than the server accepts.", "Give it a shorter file.", {
      action: null,
    }),
  429: (_message, seconds) =>
    new Problem("The server is busy.", `Try again ${seconds ? `in ${seconds} s` : "shortly"}.`, {
      action: "retry",
    }),
};

function ofContext(message) {
  const [limit] = /context length is (\d+)/.exec(message)?.slice(1) ?? [];
  const title = "This conversation is longer than the model can read.";
  const size = limit ? `It can hold ${Number(limit).toLocaleString("en")} tokens. ` : "";
  const advice = `${size}Start a new one, shorten the text, or ask for a shorter answer.`;
  return new Problem(title, advice, { action: "new", status: 400 });
}

/**
 * The problem that an error answer describes.
 *
 * @param {number} status HTTP status; 0 for an error inside a stream.
 * @param {{ message?: string, code?: string | null }} error The answer's `error`.
 * @param {string | null} retryAfter The answer's `Retry-After`.
 */
export function problemOf(status, error, retryAfter = null) {
  const message = error.message ?? "It gave no reason.";
  if (error.code === "context_length_exceeded") return ofContext(message);
  if (error.code === "loading") {
    return new Problem("The model is still loading.", "It will answer in a moment.", {
      action: "retry",
      status,
    });
  }
  const known = BY_STATUS[status];
  if (known !== undefined) {
    const problem = known(message, retryAfter);
    problem.status = status;
    return problem;
  }
  if (status === 400) return new Problem("The server refused the request.", message, { status });
  const title = status === 0 ? "The answer broke off." : "The server could not answer.";
  return new Problem(title, message, { action: "retry", status });
}

/** The problem of a request that got no answer, or half of one. */
export function problemOfNetwork(hasBegun) {
  return hasBegun
    ? new Problem("The connection broke off.", "What came is kept; try again for a whole answer.", {
      action: "retry",
    })
    : new Problem("The server does not answer.", "Is it still running? Then try again.", {
      action: "retry",
    });
}
