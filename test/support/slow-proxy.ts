import { connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** A stretch of network between the command and an agent, that a test can make slow, cut or hang. */
export interface SlowProxy {
  readonly port: number;
  /** Bytes that went towards the agent. */
  readonly passed: number;
  /** Resolves once so many bytes went towards the agent. */
  reached(bytes: number): Promise<void>;
  /** Breaks every connection; new ones work. */
  cut(): void;
  /** From now on nothing passes, and nothing breaks. */
  hang(): void;
  close(): Promise<void>;
}

/** `bytesPerSecond` bounds what goes towards `port`, over all connections together. */
export async function slowProxy(port: number, bytesPerSecond = Number.POSITIVE_INFINITY): Promise<SlowProxy> {
  const sockets = new Set<Socket>();
  const waiting: { readonly bytes: number; readonly resolve: () => void }[] = [];
  let passed = 0;
  let hung = false;
  const begun = performance.now();
  const throttle = () =>
    new Transform({
      async transform(chunk: Buffer, _encoding, done) {
        while (hung) await sleep(50);
        passed += chunk.byteLength;
        for (const { bytes, resolve } of waiting) if (passed >= bytes) resolve();
        const due = (passed / bytesPerSecond) * 1000 - (performance.now() - begun);
        if (due > 0) await sleep(due);
        done(null, chunk);
      },
    });
  const server = createServer((client) => {
    const agent = connect(port, '127.0.0.1');
    for (const socket of [client, agent]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        agent.destroy();
      });
    }
    client.pipe(throttle()).pipe(agent);
    agent.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: address.port,
    get passed() {
      return passed;
    },
    reached: (bytes) =>
      new Promise((resolve) => {
        if (passed >= bytes) resolve();
        else waiting.push({ bytes, resolve });
      }),
    cut,
    hang() {
      hung = true;
    },
    async close() {
      hung = false;
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
