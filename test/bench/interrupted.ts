/** Aborts at the first Ctrl-C or SIGTERM: what runs is ended, and everything is cleaned up on the way out. */
const controller = new AbortController();

export const interrupted: AbortSignal = controller.signal;

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(name, () => controller.abort(new Error(`interrupted by ${name}`)));
