/**
 * A checkout whose engine is measured: a process of its own, with its own configuration.
 *
 * @module
 */

import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Cost, Task } from "./measure.ts";

const MEASURE = fileURLToPath(new URL("./measure.ts", import.meta.url));

/** Runs a program to its end; what it printed. */
async function output(program: string, args: readonly string[]): Promise<string> {
  const command = new Deno.Command(program, { args: [...args], stderr: "inherit" });
  const { success, stdout } = await command.output();
  if (!success) throw new Error(`Cannot measure: ${program} ${args.join(" ")} failed`);
  return new TextDecoder().decode(stdout).trim();
}

/** Where a checkout is, and what it needs to run. */
export interface Checkout {
  root: string;
  commit: string;
  /** The folder of its packages. */
  packages: string;
}

/** Looks at a checkout, and installs its packages. */
export async function checkoutAt(path: string): Promise<Checkout> {
  const root = await Deno.realPath(path);
  const prepare = `${root}/server/setup/prepare.ts`;
  return {
    root,
    commit: await output("git", ["-C", root, "describe", "--always", "--dirty"]),
    packages: await output(Deno.execPath(), ["run", "-A", "--no-config", "--no-lock", prepare]),
  };
}

/** The engine of a checkout, loaded: it measures one task after the other. */
export class MeasuredEngine {
  #process: Deno.ChildProcess;
  #input: WritableStreamDefaultWriter<Uint8Array>;
  #lines: AsyncIterator<string>;

  private constructor(process: Deno.ChildProcess) {
    this.#process = process;
    this.#input = process.stdin.getWriter();
    const lines = createInterface({ input: Readable.fromWeb(process.stdout) });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  /** Starts the process, and waits until the model is loaded. */
  static async load(
    { root, packages }: Checkout,
    { modelPath, sequenceCountMax }: { modelPath: string; sequenceCountMax: number },
  ): Promise<MeasuredEngine> {
    const engine = new MeasuredEngine(
      new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "-A", "--quiet", "--no-check", "--no-lock", `--node-modules-dir=${packages}`],
          ...[`--config=${root}/deno.json`, MEASURE, root, modelPath, String(sequenceCountMax)],
        ],
        cwd: root,
        stdin: "piped",
        stdout: "piped",
        stderr: "inherit",
      }).spawn(),
    );
    await engine.#answer();
    return engine;
  }

  async measure(task: Task): Promise<Cost[]> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(task)}\n`));
    return await this.#answer();
  }

  /** Ends the process. */
  async close(): Promise<void> {
    await this.#input.close();
    await this.#process.status;
  }

  /** The next line with a list of costs; any others are what a checkout prints. */
  async #answer(): Promise<Cost[]> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error("Cannot measure: the process of a checkout ended early");
      if (value.startsWith("[")) return JSON.parse(value) as Cost[];
    }
  }
}
