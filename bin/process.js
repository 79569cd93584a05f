import { basename } from 'node:path';

// Where the process begins and ends, in the package as in the single executable: signals, and the exit status.

/** For what is on its way out: a stream tells of its failure only after the work is done. */
const lingerMs = 300;

/** Runs what `loadProgram` loads, with the process's own arguments, environment and streams. */
export function runProcess(loadProgram) {
  const interrupt = new AbortController();
  let interruptedAt = 0;
  ['SIGINT', 'SIGTERM', 'SIGHUP'].forEach((name) => {
    process.on(name, () => {
      const now = Date.now();
      // The second one does not wait for anybody. Under npm one Ctrl-C arrives twice, from the terminal and passed on
      // by npm: at once, faster than a person presses keys.
      if (interruptedAt > 0 && now - interruptedAt > 200) process.exit(130);
      interruptedAt = interruptedAt || now;
      interrupt.abort();
    });
  });
  // A result that could not be written (a full disk) is no success
  let outputError;
  // `imgctl … | head`: whoever read has had enough, and a terminal can go away. The work goes on, and its status counts.
  const ignoreClosed = (error) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO' && error.code !== 'ERR_STREAM_DESTROYED')
      outputError = error;
  };

  // At the very end: a stream tells of its failure only after the work is done
  process.once('exit', (status) => {
    if (outputError === undefined) return;
    process.exitCode = status || 1;
    process.stderr.write(`Error [output_failed]: the result could not be written: ${outputError.message}\n`);
  });

  let readsInput = false;
  loadProgram()
    .then((main) =>
      main.run(process.argv.slice(2), {
        programName: programName(),
        env: process.env,
        signal: interrupt.signal,
        // Opened when they are first used: each costs a millisecond or two
        get stdin() {
          readsInput = true;
          return process.stdin;
        },
        get stdout() {
          return listening(process.stdout, ignoreClosed);
        },
        get stderr() {
          return listening(process.stderr, ignoreClosed);
        },
      }),
    )
    .then(
      (status) => {
        process.exitCode = status;
        // A pipe whose writer sleeps would keep an interrupted command alive
        if (readsInput) process.stdin.destroy();
        // The work is done. A connection that is being made and the lookup of a name cannot be called off,
        // and would keep the process for as long as a host that is down takes to be given up.
        setInterval(exitIfAllIsSaid, lingerMs).unref();
      },
      (error) => {
        process.stderr.write(`Error [internal]: ${error.stack}\n`);
        process.exitCode = 1;
      },
    );
}

/** A reader that takes its time gets everything all the same. */
function exitIfAllIsSaid() {
  if (process.stdout.writableLength === 0 && process.stderr.writableLength === 0) process.exit();
}

/** kubectl runs a plugin under the plugin's own name: `kubectl imgctl` is `kubectl-imgctl`. */
function programName() {
  const names = [process.argv0, process.argv[1] || ''].map((path) => basename(path));
  return names.includes('kubectl-imgctl') ? 'kubectl imgctl' : 'imgctl';
}

function listening(stream, onError) {
  if (!stream.listeners('error').includes(onError)) stream.on('error', onError);
  return stream;
}
