/** Aborts at the first Ctrl-C or SIGTERM: what runs is ended, and everything is cleaned up on the way out. */
const controller = new AbortController();

export const interrupted: AbortSignal = controller.signal;

// One Ctrl-C may arrive twice, from the terminal and passed on by npm: that must not cut the cleaning up short
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => controller.abort(new Error(`interrupted by ${name}`)));
