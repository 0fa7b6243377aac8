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

/** Those of which only a part is used, so that what the rest needs is left out. */
const LONE_PACKAGES = ["vllm-router==0.1.17"];

/** Installs the packages once; false if there is no Python and none is required. */
export async function hasPythonPackages(): Promise<boolean> {
  const isRequired = Boolean(Deno.env.get("CI"));
  if (!isRequired && !await canRun(["python3"])) {
    console.log("no python3 here: its clients are not tested");
    return false;
  }
  const marker = `${PYTHON_FOLDER}/.installed`;
  const wanted = [...PACKAGES, ...LONE_PACKAGES].join(" ");
  if (await Deno.readTextFile(marker).catch(() => "") === wanted) return true;
  const pip = await requirePip(console.log);
  await install(pip, PACKAGES);
  await install(pip, ["--no-deps", ...LONE_PACKAGES]);
  await Deno.writeTextFile(marker, wanted);
  return true;
}

async function install([program, ...args]: readonly string[], what: readonly string[]) {
  const { success, stderr } = await new Deno.Command(program, {
    args: [...args, "install", "--quiet", "--upgrade", "--target", PYTHON_FOLDER, ...what],
  }).output();
  assert(success, `pip has installed ${what.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
