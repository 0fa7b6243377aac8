/**
 * Runs a test file again in a process whose software driver has subgroups of another size: a
 * process has one, taken from its environment. The driver's shader cache does not tell sizes apart,
 * so each has a folder of its own.
 */

/** Tells a file of tests for which size of subgroups it is run alone. */
export const WIDTH_VARIABLE = "TEST_SUBGROUP_SIZE";

/** Runs the tests of `url` with subgroups of `size` lanes. */
export async function runWithSubgroupsOf(
  size: number,
  url: string,
): Promise<{ success: boolean; report: string; errors: string }> {
  const cache = `${Deno.env.get("MESA_SHADER_CACHE_DIR") ?? "/tmp/mesa"}-${size}`;
  await Deno.mkdir(cache, { recursive: true });
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", "--config", config, url],
    env: {
      LP_NATIVE_VECTOR_WIDTH: String(32 * size),
      MESA_SHADER_CACHE_DIR: cache,
      NO_COLOR: "1",
      [WIDTH_VARIABLE]: String(size),
    },
  }).output();
  const [report, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { success, report, errors };
}
