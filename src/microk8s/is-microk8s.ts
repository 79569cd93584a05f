import { connect } from './connect.ts';
import { exchange } from './exchange.ts';
import { healthPath, importPath } from './paths.ts';

const withinMs = 5_000;

/**
 * Whether what listens there answers as MicroK8s's cluster agent does. Nothing secret is said: its certificate is not
 * looked at, and what it answers decides only what is tried next, with a certificate that is known.
 */
export async function isMicrok8s(url: URL, signal: AbortSignal): Promise<boolean> {
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(withinMs)]);
  const ask = async (path: string) =>
    exchange(
      await connect({ url, timeoutMs: withinMs }, inTime),
      { method: 'GET', host: url.host, path },
      inTime,
    );
  try {
    const [health, endpoint] = await Promise.all([ask(healthPath), ask(importPath)]);
    // Its endpoint answers GET with a bare 404, its other paths with JSON
    return (
      health.status === 200 &&
      /^\s*\{\s*"status"\s*:\s*"OK"\s*\}\s*$/.test(health.text) &&
      endpoint.status === 404 &&
      endpoint.text === ''
    );
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
