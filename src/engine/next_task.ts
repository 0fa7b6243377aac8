const channel = new MessageChannel();
const tasks: (() => void)[] = [];
channel.port1.onmessage = () => tasks.shift()?.();

/** Lets messages of the main thread in between two steps, without the delay of a timer. */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    tasks.push(resolve);
    channel.port2.postMessage(null);
  });
}
