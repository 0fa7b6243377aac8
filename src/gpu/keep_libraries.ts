/**
 * Keeps the GPU's drivers in memory until the process ends.
 *
 * A worker that ends drops its access to the GPU, and the last one to go unloads the drivers, those
 * for Vulkan and those for OpenGL, which the runtime looks at too. Mesa's drivers clean up when the
 * process exits, on the main thread. If both happen at once, the main thread returns into memory
 * that is no longer there: the process ends by a segmentation fault (exit code 139) though all its
 * work is done.
 *
 * @module
 */

const RTLD_LAZY = 0x1;
const RTLD_NOLOAD = 0x4;
const RTLD_NODELETE = 0x1000;

/** Paths of the shared libraries loaded in this process, of Linux. Needs all permissions. */
export function loadedLibraries(): string[] {
  const paths = Deno.readTextFileSync("/proc/self/maps").split("\n")
    .map((line) => /\/\S*(\.so(\.\d+)*|\.node)$/.exec(line)?.[0])
    .filter((path) => path !== undefined);
  return [...new Set(paths)].toSorted();
}

/**
 * Marks the libraries that are loaded as never to be unloaded. Does nothing outside Linux, and
 * nothing without the permissions for it, as in a program that uses the library with few.
 */
export function keepLibraries(): void {
  if (Deno.build.os !== "linux") return;
  try {
    const libraries = loadedLibraries();
    const libc = Deno.dlopen("libc.so.6", {
      dlopen: { parameters: ["buffer", "i32"], result: "pointer" },
    });
    const encoder = new TextEncoder();
    const flags = RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE;
    for (const library of libraries) libc.symbols.dlopen(encoder.encode(`${library}\0`), flags);
    libc.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
  }
}
