/** Packages for Python that tests use, in a folder of the work tree. */

import { assert } from "@std/assert";
import { canRun } from "../../server/setup/debian.ts";
import { requirePip } from "../../server/setup/pip.ts";

/** Where they are. */
export const PYTHON_FOLDER = new URL("../../.cache/python-clients", import.meta.url).pathname;

const PACKAGES = [
  "openai==3.57.0",
  "anthropic==2.14.0",
  "schemathesis==4.32.5",
  "pyzmq==27.3.0",
  "msgspec==0.23.0",
  "kubernetes-validate==1.37.0",
];

/** Without the packages of a server for debugging that is beside it. */
const ROUTER = ["--no-deps", "vllm-router==0.1.17"];

/** Installs the packages once; false if there is no Python and none is required. */
export async function hasPythonPackages(): Promise<boolean> {
  const isRequired = Boolean(Deno.env.get("CI"));
  if (!isRequired && !await canRun(["python3"])) {
    console.log("no python3 here: its clients are not tested");
    return false;
  }
  await installOnce(PACKAGES, ".installed");
  return true;
}

/** Installs vLLM's router beside them; false where it has no package. */
export async function hasVllmRouter(): Promise<boolean> {
  if (!await hasPythonPackages()) return false;
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
    console.log("vLLM's router is packaged for Linux on x86_64: it is not tested here");
    return false;
  }
  await installOnce(ROUTER, ".router-installed");
  return true;
}

async function installOnce(what: readonly string[], markerName: string): Promise<void> {
  const marker = `${PYTHON_FOLDER}/${markerName}`;
  const wanted = what.join(" ");
  if (await Deno.readTextFile(marker).catch(() => "") === wanted) return;
  await install(await requirePip(console.log), what);
  await Deno.writeTextFile(marker, wanted);
}

async function install([program, ...args]: readonly string[], what: readonly string[]) {
  const { success, stderr } = await new Deno.Command(program, {
    args: [...args, "install", "--quiet", "--upgrade", "--target", PYTHON_FOLDER, ...what],
  }).output();
  assert(success, `pip has installed ${what.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
