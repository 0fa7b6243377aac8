/**
 * A Vulkan driver for Deno's WebGPU on Linux: looked for, and installed where that is possible.
 *
 * @module
 */

import { join } from "node:path";
import { canInstallPackages, canRun, installCommand, installPackages } from "./debian.ts";
import { SetupError } from "./setup_error.ts";

/** By which the environment names driver files to the Vulkan loader, the one that counts first. */
export const DRIVER_VARIABLES = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] as const;

/** Debian packages of the loader and of Mesa's drivers, the software one among them. */
export const DRIVER_PACKAGES = ["mesa-vulkan-drivers", "libvulkan1"];

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Sets what WebGPU and Mesa read from the environment, where nobody has set it. Comes before the
 * first adapter is asked for.
 *
 * @param shaderFolder Where compiled shaders are kept; made if missing. If that fails, they are
 * compiled at each start.
 */
export function setDriverEnvironment(shaderFolder: string): void {
  if (Deno.build.os !== "linux") return;
  const defaults = {
    DENO_WEBGPU_BACKEND: "vulkan",
    XDG_RUNTIME_DIR: "/tmp", // Mesa complains where it is not set
    MESA_SHADER_CACHE_DIR: shaderFolder,
  };
  for (const [name, value] of Object.entries(defaults)) {
    if (!Deno.env.get(name)) Deno.env.set(name, value);
  }
  try {
    Deno.mkdirSync(Deno.env.get("MESA_SHADER_CACHE_DIR")!, { recursive: true });
  } catch {
    // Not for this user to make.
  }
}

/**
 * Makes sure that there is a driver; on Debian as root it is installed. Elsewhere than on Linux it
 * comes with the system.
 *
 * @param say Called with what is installed.
 * @throws {SetupError} If there is none, saying how to get one.
 */
export async function ensureVulkan(say: (message: string) => void): Promise<void> {
  if (Deno.build.os !== "linux" || await hasVulkan()) return;
  const names = DRIVER_PACKAGES.join(" ");
  if (await canInstallPackages()) {
    say(`no Vulkan driver found: installing ${names} with apt-get`);
    await installPackages(DRIVER_PACKAGES);
    if (await hasVulkan()) return;
    throw new SetupError(
      `Cannot find a Vulkan driver: ${names} are installed, but there is no file in ` +
        "/usr/share/vulkan/icd.d",
    );
  }
  throw new SetupError(
    "Cannot find a Vulkan driver: " +
      (await canRun(["apt-get"])
        ? `install one with: ${installCommand(DRIVER_PACKAGES)}`
        : "install the one of your GPU, or Mesa's software Vulkan " +
          "(Fedora: dnf install mesa-vulkan-drivers vulkan-loader; Arch: pacman -S vulkan-swrast)"),
  );
}

async function hasVulkan(): Promise<boolean> {
  return hasDriver(Deno.env.toObject()) && (hasLoader() || await isLoaderConfigured());
}

/**
 * Whether the Vulkan loader would find a driver.
 *
 * @param root Folder that all paths are below; `/`, but for tests.
 */
export function hasDriver(environment: Environment, root = "/"): boolean {
  if (DRIVER_VARIABLES.some((name) => environment[name])) return true;
  const { HOME = "", XDG_CONFIG_HOME, XDG_DATA_HOME } = environment;
  return [
    XDG_CONFIG_HOME || `${HOME}/.config`,
    "/etc/xdg",
    "/etc",
    XDG_DATA_HOME || `${HOME}/.local/share`,
    "/usr/local/share",
    "/usr/share",
    "/run/opengl-driver/share",
  ].some((folder) =>
    namesIn(join(root, folder, "vulkan/icd.d")).some((name) => name.endsWith(".json"))
  );
}

/** Whether the loader, `libvulkan.so.1`, lies in a folder of libraries; `root` as above. */
export function hasLoader(root = "/"): boolean {
  const folders = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/run/opengl-driver/lib"];
  const byMachine = ["/usr/lib", "/lib"].flatMap((folder) =>
    namesIn(join(root, folder)).map((name) => `${folder}/${name}`)
  );
  return [...folders, ...byMachine].some((folder) => exists(join(root, folder, "libvulkan.so.1")));
}

/** Whether the loader lies where the dynamic linker is configured to look. */
async function isLoaderConfigured(): Promise<boolean> {
  for (const program of ["ldconfig", "/sbin/ldconfig"]) {
    const command = new Deno.Command(program, { args: ["-p"], stdin: "null", stderr: "null" });
    const output = await command.output().catch(() => null);
    if (!output?.success) continue;
    return new TextDecoder().decode(output.stdout).includes("libvulkan.so.1");
  }
  return false;
}

function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch {
    return [];
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
