import { assertEquals } from "@std/assert";
import { dirname, join } from "node:path";
import { hasDriver, hasLoader } from "../../server/setup/vulkan.ts";

/** A folder with empty files at `paths`, in the place of `/`. */
async function machineWith(
  paths: readonly string[],
  work: (root: string) => void,
): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    for (const path of paths) {
      await Deno.mkdir(dirname(join(root, path)), { recursive: true });
      await Deno.writeTextFile(join(root, path), "");
    }
    work(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const DRIVERS: [string, Record<string, string>, boolean][] = [
  ["/usr/share/vulkan/icd.d/lvp_icd.x86_64.json", {}, true],
  ["/etc/vulkan/icd.d/nvidia_icd.json", {}, true],
  ["/run/opengl-driver/share/vulkan/icd.d/radeon.json", {}, true],
  ["/home/a/.local/share/vulkan/icd.d/own.json", { HOME: "/home/a" }, true],
  ["/home/a/.config/vulkan/icd.d/own.json", { HOME: "/home/a" }, true],
  ["/data/vulkan/icd.d/own.json", { XDG_DATA_HOME: "/data" }, true],
  ["/elsewhere.txt", { VK_ICD_FILENAMES: "/any.json" }, true],
  ["/elsewhere.txt", { VK_DRIVER_FILES: "/any.json" }, true],
  ["/usr/share/vulkan/icd.d/README", {}, false],
  ["/home/b/.local/share/vulkan/icd.d/own.json", { HOME: "/home/a" }, false],
];

for (const [path, environment, expected] of DRIVERS) {
  const given = JSON.stringify(environment);
  Deno.test(`hasDriver() is ${expected} with ${path} and ${given}`, async () => {
    await machineWith([path], (root) => assertEquals(hasDriver(environment, root), expected));
  });
}

const LOADERS: [string, boolean][] = [
  ["/usr/lib/libvulkan.so.1", true],
  ["/usr/lib64/libvulkan.so.1", true],
  ["/usr/lib/x86_64-linux-gnu/libvulkan.so.1", true],
  ["/lib/aarch64-linux-gnu/libvulkan.so.1", true],
  ["/run/opengl-driver/lib/libvulkan.so.1", true],
  ["/usr/lib/x86_64-linux-gnu/libvulkan.so.2", false],
];

for (const [path, expected] of LOADERS) {
  Deno.test(`hasLoader() is ${expected} with ${path}`, async () => {
    await machineWith([path], (root) => assertEquals(hasLoader(root), expected));
  });
}
