/** Programs in a pseudo-terminal, typed at. */

const WAIT_MS = 60_000;

/** A program that believes to be in a terminal, by util-linux's `script`. */
export class Terminal {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #ended: Promise<void>;
  #seen = "";
  #taken = 0;
  #arrived = Promise.withResolvers<void>();

  constructor(command: readonly string[], env: Record<string, string> = {}) {
    const line = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    // A shell that stays in between would take Ctrl-C too, and its exit code replace the program's.
    this.#child = new Deno.Command("script", {
      args: ["--quiet", "--flush", "--return", "--command", `exec ${line}`, "/dev/null"],
      env: { SHELL: "/bin/sh", TERM: "xterm", COLUMNS: "100", NO_COLOR: "1", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#ended = this.#read();
  }

  async #read(): Promise<void> {
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      // deno-lint-ignore no-control-regex
      this.#seen += text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").replaceAll("\r", "");
      this.#arrived.resolve();
      this.#arrived = Promise.withResolvers<void>();
    }
    this.#arrived.resolve();
  }

  /** Types; "\r" is the Enter key, "\x03" Ctrl-C, "\x04" Ctrl-D. */
  async type(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(text));
  }

  /**
   * Waits for `pattern` in what was printed since the last match.
   *
   * @returns What was printed up to its end.
   * @throws {Error} If it does not come within a minute.
   */
  async until(pattern: RegExp): Promise<string> {
    const endMs = performance.now() + WAIT_MS;
    for (;;) {
      const fresh = this.#seen.slice(this.#taken);
      const found = pattern.exec(fresh);
      if (found !== null) {
        const end = found.index + found[0].length;
        this.#taken += end;
        return fresh.slice(0, end);
      }
      if (performance.now() > endMs) throw new Error(`${pattern} never came:\n${fresh}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, 1000);
      await Promise.race([this.#arrived.promise, promise]);
      clearTimeout(timer);
    }
  }

  /** Waits for the program's end. @returns Its exit code. */
  async end(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#ended;
    await this.#input.close().catch(() => {});
    return code;
  }
}
