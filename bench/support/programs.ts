/** Programs that a command runs. */

/** How a program is run. */
export interface RunOptions {
  /** Added to the environment. */
  env?: Readonly<Record<string, string>>;
  /** The folder it runs in; that of this process if left out. */
  cwd?: string;
}

/**
 * Runs a program.
 *
 * @returns What it printed.
 * @throws If it fails, with the end of what it printed.
 */
export async function run(
  program: string,
  args: readonly string[],
  { env = {}, cwd }: RunOptions = {},
): Promise<{ stdout: string; stderr: string }> {
  const { success, ...output } = await new Deno.Command(program, {
    args: [...args],
    env: { ...env },
    ...(cwd === undefined ? {} : { cwd }),
    stdin: "null",
  }).output();
  const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  if (success) return { stdout, stderr };
  throw new Error(`${program} ${args.join(" ")} failed:\n${(stdout + stderr).slice(-2000)}`);
}

/** Whether there is a file or folder. */
export async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
