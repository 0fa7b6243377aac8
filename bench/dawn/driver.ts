/**
 * A newer build of Mesa's software driver from Debian's backports, beside the installed one:
 * Dawn refuses the Mesa of Debian 12.
 *
 * @module
 */

import { isThere, run } from "../support/programs.ts";

/** Packages whose libraries the driver needs newer than those of the system. */
const PACKAGES = ["mesa-vulkan-drivers", "libdrm2", "libdrm-amdgpu1"];

/** Environment of a process that uses a driver. */
export type DriverEnvironment = Readonly<Record<string, string>>;

/**
 * The environment of processes that use the newer driver. Fetches it if `folder` lacks it, as the
 * machine's own `apt-get` does, without installing anything.
 *
 * @param folder Absolute.
 * @throws If this is no Debian with backports, or `apt-get` fails, with the end of what it said.
 */
export async function newerMesa(folder: string): Promise<DriverEnvironment> {
  const libraries = `${folder}/root/usr/lib/${Deno.build.arch}-linux-gnu`;
  const manifest = `${folder}/manifest.json`;
  if (!await isThere(manifest)) {
    console.error("fetching the Mesa of Debian's backports (15 MB)");
    await fetchPackages(folder);
    const ICD = { api_version: "1.3.0", library_path: `${libraries}/libvulkan_lvp.so` };
    await Deno.writeTextFile(manifest, JSON.stringify({ file_format_version: "1.0.0", ICD }));
  }
  return {
    VK_DRIVER_FILES: manifest,
    VK_ICD_FILENAMES: manifest,
    LD_LIBRARY_PATH: libraries,
    MESA_SHADER_CACHE_DIR: `${folder}/shaders`,
  };
}

async function fetchPackages(folder: string): Promise<void> {
  const debs = `${folder}/packages`;
  for (const name of [debs, `${folder}/lists/partial`, `${folder}/shaders`]) {
    await Deno.mkdir(name, { recursive: true });
  }
  const release = await Deno.readTextFile("/etc/os-release");
  const { stdout } = await run("apt-get", ["indextargets", "--format", "$(REPO_URI) $(CODENAME)"]);
  await Deno.writeTextFile(`${folder}/backports.list`, backportsList(release, stdout));
  const own = [
    ...["-o", `Dir::Etc::sourcelist=${folder}/backports.list`, "-o", "Dir::Etc::sourceparts=-"],
    ...["-o", `Dir::State::lists=${folder}/lists`, "-o", "APT::Sandbox::User=root"],
  ];
  await run("apt-get", [...own, "update"]);
  await run("apt-get", [...own, "download", ...PACKAGES], { cwd: debs });
  for (const { name } of Deno.readDirSync(debs)) {
    await run("dpkg-deb", ["-x", `${debs}/${name}`, `${folder}/root`]);
  }
}

/**
 * A list of packages that has only the backports of a release, from where its own packages come.
 *
 * @param release Text of `/etc/os-release`.
 * @param targets Lines of address and code name, of all lists there are.
 * @throws If there is no list of the release's own packages.
 */
export function backportsList(release: string, targets: string): string {
  const codename = /^VERSION_CODENAME="?([\w-]+)/m.exec(release)?.[1];
  const own = targets.split("\n").map((line) => line.split(" "))
    .find(([, name]) => codename !== undefined && name === codename);
  if (own === undefined) {
    throw new Error(`Cannot find packages of ${codename ?? "this system"}: this needs Debian`);
  }
  return `deb ${own[0]} ${codename}-backports main\n`;
}
