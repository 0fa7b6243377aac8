/**
 * Progress of anything that takes longer than a second, on stderr.
 *
 * @module
 */

const TERMINAL_INTERVAL_MS = 100;
const PLAIN_INTERVAL_MS = 3000;
const PLAIN_DELAY_MS = 1000;

/** Where a {@link ProgressLine} writes, and when it is; given by tests. */
export interface ProgressSettings {
  write?: (text: string) => void;
  /** Whether a line can be written over. */
  isTerminal?: boolean;
  /** Columns of the terminal. */
  columnCount?: number;
  /** Milliseconds, from any start. */
  now?: () => number;
}

/** Called with progress: what is done, and how much of it, 0 to 1. */
export type OnProgress = (message: string, fraction?: number) => void;

/**
 * One line of progress. A terminal sees it change in place; elsewhere a line is printed every 3 s,
 * none for what takes less than one.
 */
export class ProgressLine {
  readonly #write: (text: string) => void;
  readonly #isTerminal: boolean;
  readonly #columnCount: number;
  readonly #now: () => number;
  readonly #startMs: number;
  #shownMs = -Infinity;
  #lastText = "";
  #hasShown = false;

  constructor(settings: ProgressSettings = {}) {
    this.#write = settings.write ?? writeStderr;
    this.#isTerminal = settings.isTerminal ?? Deno.stderr.isTerminal();
    this.#columnCount = settings.columnCount ?? terminalColumnCount();
    this.#now = settings.now ?? (() => performance.now());
    this.#startMs = this.#now();
  }

  /** Shows where things stand, unless the line before it is too fresh. Bound: may be passed on. */
  readonly update: OnProgress = (message, fraction) => {
    const share = fraction === undefined ? "" : ` ${Math.floor(fraction * 100)}%`;
    this.#show(`${message}${share}`);
  };

  /** Ends the line; `message`, if any, is what stays of it. */
  finish(message?: string): void {
    if (this.#isTerminal && this.#hasShown) this.#write("\r\x1b[K");
    if (message !== undefined) this.#write(`${message}\n`);
    this.#hasShown = false;
    this.#lastText = "";
  }

  #show(text: string): void {
    const nowMs = this.#now();
    const intervalMs = this.#isTerminal ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS;
    if (text === this.#lastText || nowMs - this.#shownMs < intervalMs) return;
    if (!this.#isTerminal && nowMs - this.#startMs < PLAIN_DELAY_MS) return;
    this.#shownMs = nowMs;
    this.#lastText = text;
    this.#hasShown = true;
    const line = this.#isTerminal ? `\r\x1b[K${text.slice(0, this.#columnCount - 1)}` : `${text}\n`;
    this.#write(line);
  }
}

/** Decimal megabytes, as download sizes are given: `98.4 MB`. */
export function formatMegabytes(sizeBytes: number): string {
  return `${(sizeBytes / 1e6).toFixed(1)} MB`;
}

function writeStderr(text: string): void {
  try {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  } catch {
    // Nobody reads it: no reason to end what it is about.
  }
}

function terminalColumnCount(): number {
  try {
    return Deno.consoleSize().columns || 80; // 0 is a terminal that does not know
  } catch {
    return 80; // neither is a terminal
  }
}
