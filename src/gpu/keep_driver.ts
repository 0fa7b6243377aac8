/**
 * Keeps the GPU's driver in memory until the process ends.
 *
 * A worker that ends drops its Vulkan instance, and the last one to go unloads the driver. Mesa's
 * drivers clean up when the process exits, on the main thread. If both happen at once, the main
 * thread returns into memory that is no longer there: the process ends by a segmentation fault
 * (exit code 139) though all its work is done.
 *
 * @module
 */

const RTLD_LAZY = 0x1;
const RTLD_NOLOAD = 0x4;
const RTLD_NODELETE = 0x1000;

/** Paths of Mesa's Vulkan drivers that are loaded in this process. Needs all permissions. */
export function loadedDrivers(): string[] {
  const paths = Deno.readTextFileSync("/proc/self/maps").split("\n")
    .map((line) => /\/\S*\/libvulkan_[^/]*\.so\S*$/.exec(line)?.[0])
    .filter((path) => path !== undefined);
  return [...new Set(paths)].toSorted();
}

/**
 * Marks the drivers that are loaded as never to be unloaded. Does nothing outside Linux, and
 * nothing without the permissions for it, as in a program that uses the library with few.
 *
 * @returns Paths of the drivers.
 */
export function keepDrivers(): string[] {
  if (Deno.build.os !== "linux") return [];
  try {
    const drivers = loadedDrivers();
    const libc = Deno.dlopen("libc.so.6", {
      dlopen: { parameters: ["buffer", "i32"], result: "pointer" },
    });
    const encoder = new TextEncoder();
    const flags = RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE;
    for (const driver of drivers) libc.symbols.dlopen(encoder.encode(`${driver}\0`), flags);
    libc.close();
    return drivers;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return [];
    throw error;
  }
}
