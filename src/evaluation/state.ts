/**
 * What an evaluation has done so far, in a folder: finished reports, and the distributions of the
 * exact cache while codecs are compared with them. A run that was cut goes on after the last
 * finished codec of the last text.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";

/** What an evaluation is of; reports of one are no reports of another. */
export interface EvalIdentity {
  /** The file's name, bytes and SHA-256. */
  model: string;
  /** Each text's name and the SHA-256 of its token ids. */
  texts: readonly string[];
  /** Each codec with its settings in words. */
  codecs: readonly string[];
  contexts: readonly number[];
  from: number;
  /** As `EvalPlan.every`; other evaluations have none. */
  every?: number;
}

/** What a report says it is of. */
interface AnyReport {
  text: string;
  codec: string;
}

interface StateFile<Report> {
  version: number;
  identity: EvalIdentity;
  /** Texts whose exact distributions are all in their file. */
  exactTexts: string[];
  reports: Report[];
}

const STATE_VERSION = 1;
const STATE_NAME = "eval.json";

/** The state of one evaluation. */
export class EvalState<Report extends AnyReport> {
  #folder: string;
  #isTemporary: boolean;
  #state: StateFile<Report>;
  /** The last save, done or not. */
  #saving: Promise<void> = Promise.resolve();

  private constructor(folder: string, isTemporary: boolean, state: StateFile<Report>) {
    this.#folder = folder;
    this.#isTemporary = isTemporary;
    this.#state = state;
  }

  /**
   * Opens a folder, or a temporary one that {@link close} deletes.
   *
   * @throws {RangeError} If the folder holds the state of an evaluation of something else.
   */
  static async open<Report extends AnyReport>(
    folder: string | null,
    identity: EvalIdentity,
  ): Promise<EvalState<Report>> {
    const fresh: StateFile<Report> = {
      version: STATE_VERSION,
      identity,
      exactTexts: [],
      reports: [],
    };
    if (folder === null) {
      return new EvalState(await Deno.makeTempDir({ prefix: "packkv-eval-" }), true, fresh);
    }
    await Deno.mkdir(folder, { recursive: true });
    const found = await readState<Report>(join(folder, STATE_NAME));
    if (found !== null) checkIdentity(folder, found.identity, identity);
    return new EvalState(folder, false, found ?? fresh);
  }

  /** Reports finished so far. */
  get reports(): readonly Report[] {
    return this.#state.reports;
  }

  /** The report of a text and codec; null if it is still to be made. */
  report(text: string, codec: string): Report | null {
    return this.#state.reports.find((report) => report.text === text && report.codec === codec) ??
      null;
  }

  /** Notes a finished report. */
  async addReport(report: Report): Promise<void> {
    this.#state.reports.push(report);
    await this.#save();
  }

  /** Whether the exact distributions of a text are all there. */
  async hasExact(text: string): Promise<boolean> {
    if (!this.#state.exactTexts.includes(text)) return false;
    return await Deno.stat(this.exactPath(text)).then(() => true, () => false);
  }

  /** Notes that they are. */
  async addExact(text: string): Promise<void> {
    this.#state.exactTexts.push(text);
    await this.#save();
  }

  /** Where the exact distributions of a text are. */
  exactPath(text: string): string {
    const digest = createHash("sha256").update(text).digest("hex").slice(0, 12);
    return join(this.#folder, `exact-${digest}.rows`);
  }

  /** Deletes the exact distributions of a text that nothing is compared with any more. */
  async dropExact(text: string): Promise<void> {
    this.#state.exactTexts = this.#state.exactTexts.filter((other) => other !== text);
    await this.#save();
    await Deno.remove(this.exactPath(text)).catch(() => {});
  }

  /** Deletes a temporary folder. */
  async close(): Promise<void> {
    if (this.#isTemporary) await Deno.remove(this.#folder, { recursive: true });
  }

  /** A cut leaves the old file or the new one, never a part. One after the other. */
  async #save(): Promise<void> {
    if (this.#isTemporary) return; // nobody goes on with it
    const saving = this.#saving.then(async () => {
      const path = join(this.#folder, STATE_NAME);
      await Deno.writeTextFile(`${path}.new`, `${JSON.stringify(this.#state, null, 1)}\n`);
      await Deno.rename(`${path}.new`, path);
    });
    this.#saving = saving.catch(() => {});
    await saving;
  }
}

async function readState<Report>(path: string): Promise<StateFile<Report> | null> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  const refuse = (what: string) => {
    throw new RangeError(`Cannot resume from ${path}: ${what}; delete it or name another folder`);
  };
  try {
    const state = JSON.parse(text);
    if (state.version !== STATE_VERSION) refuse(`it has version ${state.version}`);
    return state;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return refuse("it is no JSON");
  }
}

function checkIdentity(folder: string, found: EvalIdentity, wanted: EvalIdentity): void {
  for (const key of ["model", "contexts", "from", "every", "texts", "codecs"] as const) {
    const [had, has] = [found[key], wanted[key]].map((value) => JSON.stringify(value));
    if (had === has) continue;
    throw new RangeError(
      `Cannot resume from ${folder}: its ${key} is ${had}, wanted ${has}; delete it or name ` +
        "another folder",
    );
  }
}

/** SHA-256 of token ids, in hexadecimal digits. */
export function idsDigest(ids: readonly number[]): string {
  return createHash("sha256").update(Uint32Array.from(ids)).digest("hex");
}

/** Name, bytes and SHA-256 of a file. */
export async function fileIdentity(path: string, name: string): Promise<string> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const file = await Deno.open(path);
  for await (const bytes of file.readable) {
    hash.update(bytes);
    sizeBytes += bytes.length;
  }
  return `${name}, ${sizeBytes} bytes, sha256 ${hash.digest("hex")}`;
}
