/** The files of `server/deploy/`: their commands as processes, their names as known here. */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { join } from "node:path";
import { ROUTERS, routerText } from "../../bench/serving/routers/router.ts";
import { harness } from "../server/harness.ts";
import { freePorts } from "../support/free_ports.ts";
import { writeTinyModel } from "../support/tiny_model.ts";
import { ROOT, urlOf, withCheckout } from "./checkout.ts";

const deploy = (name: string) => Deno.readTextFile(join(ROOT, "server/deploy", name));

/** Where the image and the unit have the checkout. */
const PLACE = "/opt/packkv/packkv";

/** Words of the image's last `CMD`. */
async function imageCommand(): Promise<string[]> {
  const found = /^CMD (\[.*\])$/m.exec(await deploy("Dockerfile"));
  return JSON.parse(found![1]);
}

/** Words of the unit's `ExecStart`. */
async function unitCommand(): Promise<string[]> {
  return /^ExecStart=(.*)$/m.exec(await deploy("packkv.service"))![1].split(" ");
}

/** Variables of a manifest, of which those that depend on the place are put in by `own`. */
async function podVariables(own: Record<string, string>): Promise<Record<string, string>> {
  const text = await deploy("kubernetes.yaml");
  const names = [...text.matchAll(/name: (PACKKV_\w+)/g)].map(([, name]) => name);
  const given = [...text.matchAll(/name: (PACKKV_\w+), value: "?([^" }]+)/g)];
  const values = Object.fromEntries(given.map(([, name, value]) => [name, value]));
  return Object.fromEntries(names.map((name) => [name, own[name] ?? values[name]]));
}

Deno.test({
  name: "the commands of the image and of the unit serve from a checkout that cannot be written",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withCheckout({ isSetUp: true }, async ({ home, command }) => {
      const model = join(home, "tiny.gguf");
      await writeTinyModel(model);
      const [eventPort, replayPort] = freePorts(2);
      const pod = await podVariables({
        PACKKV_MODEL: model,
        PACKKV_API_KEY: "secret",
        PACKKV_KV_EVENTS: `tcp://*:${eventPort}`,
        PACKKV_KV_EVENTS_REPLAY: `tcp://*:${replayPort}`,
      });
      assertGreater(Object.keys(pod).length, 6);
      const runs: [string[], Record<string, string>][] = [
        [await imageCommand(), pod],
        [await unitCommand(), { PACKKV_MODEL: model }],
      ];
      await Promise.all(runs.map(async ([[program, ...args], env]) => {
        assertEquals(program, PLACE);
        args[args.indexOf("--port") + 1] = "0";
        const child = command(args, { ...env, PACKKV_PROFILE: "paper" }).spawn();
        const said = new Response(child.stderr).text();
        try {
          const url = new URL((await urlOf(child.stdout)).replace("0.0.0.0", "127.0.0.1"));
          const health = await fetch(new URL("/health", url));
          assertEquals([health.status, (await health.text()).length > 0], [200, true]);
          const headers = { authorization: `Bearer ${env.PACKKV_API_KEY}` };
          const answer = await fetch(new URL("/v1/completions", url), {
            method: "POST",
            headers,
            body: JSON.stringify({ prompt: "a", max_tokens: 1 }),
          });
          assertEquals(answer.status, 200, await answer.text());
        } finally {
          child.kill("SIGTERM");
          assertEquals((await child.status).code, 0, await said);
        }
      }));
    }),
});

Deno.test("every metric of the dashboard is one that the server has", async () => {
  const dashboard = await deploy("grafana-dashboard.json");
  const asked = new Set(dashboard.match(/\b(?:vllm|packkv):\w+/g));
  const { app } = harness(() => []);
  const text = await (await app.request("/metrics")).text();
  const known = new Set(
    [...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)].flatMap(([, name, type]) =>
      type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name]
    ),
  );
  assertGreater(asked.size, 15);
  assertEquals([...asked].filter((name) => !known.has(name)), []);
});

Deno.test("a unit and an image allow as many files as there are clients, and give answers time", async () => {
  const [unit, compose, pods] = await Promise.all(
    ["packkv.service", "compose.yaml", "kubernetes.yaml"].map(deploy),
  );
  assert(/^LimitNOFILE=65536$/m.test(unit) && /^Restart=on-failure$/m.test(unit));
  assert(/^TimeoutStopSec=40$/m.test(unit) && compose.includes("stop_grace_period: 40s"));
  assert(compose.includes("nofile: 65536") && compose.includes("read_only: true"));
  assert(pods.includes("terminationGracePeriodSeconds: 40"));
  assert(pods.includes("enableServiceLinks: false"));
});

Deno.test("the router of the Compose file is HAProxy's with a replica fewer", async () => {
  const [three, two] = await Promise.all(["haproxy.cfg", "haproxy-2.cfg"].map(routerText));
  const without = three.replace("three", "two").split("\n").filter((line) =>
    !line.includes("replica-3")
  );
  assertEquals(two.split("\n"), without);
  assert((await deploy("compose.yaml")).includes("./routers/haproxy-2.cfg:"));
});

Deno.test("the guide shows the routers' files as they are", async () => {
  const guide = await Deno.readTextFile(join(ROOT, "server/docs/replicas.md"));
  for (const name of ROUTERS) {
    assert(guide.includes(`\n${(await routerText(name)).trim()}\n\`\`\``), name);
  }
});
