/**
 * Mesa's software driver, changed so that subgroups can be wider than 16 lanes. Debian's source
 * package of the driver that is installed, built without a window system.
 *
 * @module
 */

import { isThere, run } from "../support/programs.ts";

/** The package whose source the driver is built from, and what that takes. */
const DRIVER_PACKAGE = "mesa-vulkan-drivers";
const BUILD_PACKAGES = [
  ...["gcc", "g++", "dpkg-dev", "patch", "meson", "ninja-build", "pkg-config", "cmake"],
  ...["python3-mako", "bison", "flex", "glslang-tools", "llvm-15-dev", "libclang-15-dev"],
  ...["zlib1g-dev", "libzstd-dev", "libdrm-dev", "libelf-dev", "libexpat1-dev"],
];

const LIBRARY = "src/gallium/targets/lavapipe/libvulkan_lvp.so";
const BUILT_MANIFEST = `src/gallium/targets/lavapipe/lvp_icd.${Deno.build.arch}.json`;

const MESON_OPTIONS = {
  "buildtype": "release",
  "platforms": "",
  "gallium-drivers": "swrast",
  "vulkan-drivers": "swrast",
  "glx": "disabled",
  "egl": "disabled",
  "gbm": "disabled",
  "opengl": "false",
  "gles1": "disabled",
  "gles2": "disabled",
  "llvm": "enabled",
  "shared-llvm": "enabled",
};

/** A line of the driver that bounds the width of vectors. */
interface Change {
  file: string;
  from: string;
  to: string;
  why: string;
}

/** All that differs from Debian's driver. */
export const CHANGES: readonly Change[] = [
  {
    file: "src/gallium/drivers/llvmpipe/lp_state_cs.c",
    from: "cs_type.length = MIN2(lp_native_vector_width / 32, 16);",
    to: "cs_type.length = lp_native_vector_width / 32;",
    why: "compute shaders have as many lanes as the width says",
  },
  {
    file: "src/gallium/auxiliary/gallivm/lp_bld_type.h",
    from: "#define LP_MAX_VECTOR_WIDTH 512",
    to: "#define LP_MAX_VECTOR_WIDTH 4096",
    why: "arrays of the code generator have room for them",
  },
  {
    file: "src/gallium/auxiliary/gallivm/lp_bld_arit.c",
    from: "has_avx512f && type.width*type.length == 512)",
    to: "has_avx && type.width*type.length >= 512)",
    why: "wide vectors round as narrow ones do, by LLVM's own operations",
  },
];

/**
 * The manifest to give the Vulkan loader. Builds the driver if `folder` lacks it: 20 minutes
 * on 2 cores, 1.5 GB.
 *
 * @param folder Absolute.
 * @throws If this is no Debian, a tool is missing, a line to change is not
 *   there once, or the build fails: with the last lines of what was said.
 */
export async function wideDriver(folder: string): Promise<{ manifest: string; version: string }> {
  const version = await packageVersion(DRIVER_PACKAGE);
  if (version === null) throw new Error(`${DRIVER_PACKAGE} is not installed: this needs Debian`);
  const place = `${folder}/${version.replaceAll(/[^\w.+-]/g, "_")}`;
  const build = `${place}/build`;
  const manifest = `${place}/manifest.json`;
  if (await isThere(manifest)) return { manifest, version };
  await requireTools();
  await Deno.mkdir(folder, { recursive: true });
  await Deno.remove(place, { recursive: true }).catch(() => {});
  console.error(`fetching the source of ${DRIVER_PACKAGE} ${version}`);
  await fetchSource(folder, place, version);
  for (const change of CHANGES) await apply(place, change);
  console.error("building the driver: 20 minutes on 2 cores");
  const options = Object.entries(MESON_OPTIONS).map(([name, value]) => `-D${name}=${value}`);
  await runIn(place, "meson", ["setup", build, ...options]);
  await runIn(place, "ninja", ["-C", build, LIBRARY, BUILT_MANIFEST]);
  // What is built names the place it would be installed in.
  const built = JSON.parse(await Deno.readTextFile(`${build}/${BUILT_MANIFEST}`));
  built.ICD.library_path = `${build}/${LIBRARY}`;
  await Deno.writeTextFile(manifest, JSON.stringify(built));
  return { manifest, version };
}

/** Version of an installed Debian package; null if it is not installed, or this is no Debian. */
async function packageVersion(name: string): Promise<string | null> {
  const args = ["--show", "--showformat=${db:Status-Status} ${Version}", name];
  const query = new Deno.Command("dpkg-query", { args, stdin: "null", stderr: "null" });
  const output = await query.output().catch(() => null);
  const [status, version] = new TextDecoder().decode(output?.stdout).split(" ");
  return status === "installed" ? version : null;
}

async function requireTools(): Promise<void> {
  const versions = await Promise.all(BUILD_PACKAGES.map(packageVersion));
  const missing = BUILD_PACKAGES.filter((_, index) => versions[index] === null);
  if (missing.length > 0) throw new Error(`first: apt-get install ${missing.join(" ")}`);
}

/** Fetches and unpacks by `apt-get source`, whose lists are the machine's own, of sources. */
async function fetchSource(folder: string, place: string, version: string): Promise<void> {
  const lists = `${folder}/apt`;
  await Deno.mkdir(`${lists}/parts`, { recursive: true });
  await Deno.mkdir(`${lists}/state/partial`, { recursive: true });
  for await (const { name } of Deno.readDir("/etc/apt/sources.list.d")) {
    if (!/\.(list|sources)$/.test(name)) continue;
    const text = await Deno.readTextFile(`/etc/apt/sources.list.d/${name}`);
    await Deno.writeTextFile(`${lists}/parts/${name}`, sourcesOf(text));
  }
  const main = await Deno.readTextFile("/etc/apt/sources.list").catch(() => "");
  await Deno.writeTextFile(`${lists}/parts/main.list`, sourcesOf(main));
  const own = [
    ...["-o", "Dir::Etc::sourcelist=/dev/null", "-o", `Dir::Etc::sourceparts=${lists}/parts`],
    ...["-o", `Dir::State::lists=${lists}/state`, "-o", "APT::Sandbox::User=root"],
  ];
  await runIn(folder, "apt-get", [...own, "update"]);
  await runIn(folder, "apt-get", [...own, "source", "--download-only", `mesa=${version}`]);
  const [description] = [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".dsc"));
  await runIn(folder, "dpkg-source", ["--no-check", "-x", description.name, place]);
}

/** Lists of packages as lists of their sources. */
export function sourcesOf(list: string): string {
  return list.replaceAll(/^Types:.*$/gm, "Types: deb-src").replaceAll(/^deb(?=\s)/gm, "deb-src");
}

async function apply(place: string, { file, from, to }: Change): Promise<void> {
  const path = `${place}/${file}`;
  const parts = (await Deno.readTextFile(path)).split(from);
  if (parts.length !== 2) {
    throw new Error(`${file} has "${from}" ${parts.length - 1} times, not once`);
  }
  await Deno.writeTextFile(path, parts.join(to));
}

/** Runs a program in a folder. */
async function runIn(cwd: string, program: string, args: readonly string[]): Promise<void> {
  // Debian's meson needs Debian's Python, whatever others are installed.
  const env = { PATH: `/usr/bin:/bin:/usr/sbin:/sbin:${Deno.env.get("PATH") ?? ""}` };
  await run(program, args, { cwd, env });
}
