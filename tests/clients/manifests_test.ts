/** The manifests for Kubernetes, against its schemas. */

import { assert, assertEquals } from "@std/assert";
import { hasPythonPackages, PYTHON_FOLDER } from "./python_packages.ts";

const PROGRAM = new URL("./manifests.py", import.meta.url).pathname;
const MANIFESTS = new URL("../../server/deploy/kubernetes.yaml", import.meta.url).pathname;

async function validate(path: string) {
  const { code, stdout, stderr } = await new Deno.Command("python3", {
    args: [PROGRAM, path],
    env: { PYTHONPATH: PYTHON_FOLDER, PYTHONDONTWRITEBYTECODE: "1" },
  }).output();
  const [kinds, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, kinds: kinds.trim().split("\n"), errors };
}

Deno.test("the manifests are what Kubernetes' schemas say, and a field that is none is found", async () => {
  if (!await hasPythonPackages()) return;
  const { code, kinds, errors } = await validate(MANIFESTS);
  assertEquals([code, kinds], [0, ["Deployment", "Service"]], errors);
  const text = await Deno.readTextFile(MANIFESTS);
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(path, text.replace("enableServiceLinks:", "enableServiceLink:"));
    const wrong = await validate(path);
    assertEquals(wrong.code, 1);
    assert(wrong.errors.includes("enableServiceLink"), wrong.errors);
  } finally {
    await Deno.remove(path);
  }
});
