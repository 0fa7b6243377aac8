// Runs under Node with `node-llama-cpp` beside it: prefill and decode rates of one stream, as JSON.
// Usage: node peer_node_llama_cpp.mjs MODEL.gguf vulkan|cpu PREFILL_COUNT DEPTH,DEPTH DECODE_COUNT

// By name, since it is a package of the folder this file is copied to, not of the project.
const peer = "node-llama-cpp";
const { getLlama } = await import(peer);

const [modelPath, backend, prefillText, depthsText, decodeText] = process.argv.slice(2);
const prefillCount = Number(prefillText);
const depths = depthsText.split(",").map(Number);
const decodeCount = Number(decodeText);

const llama = await getLlama({
  gpu: backend === "cpu" ? false : "vulkan",
  build: "never",
  maxThreads: 2,
});
const model = await llama.loadModel({ modelPath, gpuLayers: backend === "cpu" ? 0 : "max" });
const vocabSize = 49152;
const contextSize = Math.max(prefillCount, ...depths) + decodeCount + 64;
const prompt = (count) =>
  Array.from({ length: count }, (_, i) => 1000 + (i * 7919) % (vocabSize - 2000));

const run = async (promptCount, count) => {
  const context = await model.createContext({ contextSize });
  const sequence = context.getSequence();
  const ids = prompt(promptCount);
  const start = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(ids.slice(0, -1));
  let seen = 0;
  let firstMs = 0;
  for await (const _ of sequence.evaluate(ids.slice(-1))) {
    if (seen++ === 0) firstMs = performance.now();
    if (seen > count) break;
  }
  const decodeMs = performance.now() - firstMs;
  await context.dispose();
  return {
    prefill: promptCount / ((firstMs - start) / 1000),
    decode: count > 0 ? count / (decodeMs / 1000) : null,
  };
};

const result = {
  backend: llama.gpu || "cpu",
  devices: await llama.getGpuDeviceNames?.(),
  prefill: { depth: prefillCount, tokensPerSecond: (await run(prefillCount, 0)).prefill },
  decode: [],
};
for (const depth of depths) {
  const { decode } = await run(depth, decodeCount);
  result.decode.push({ depth, tokensPerSecond: decode });
}
console.log(JSON.stringify(result));
process.exit(0);
