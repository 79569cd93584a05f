#!/usr/bin/env node
// Where the process begins and ends: the check of Node.js's version, signals, and the exit status.
//
// This file must parse on a Node.js that is years too old, or nobody would read what it says: no static import, and
// syntax that Node.js 10 knows. Everything else is imported once the version is known to do.

const required = 24;

if (Number(process.versions.node.split('.')[0]) < required) {
  process.stderr.write(
    'Error [usage]: imgctl needs Node.js ' +
      required +
      ' or newer; this is ' +
      process.version +
      ' (' +
      process.execPath +
      ')\n' +
      '  Hint: Install it from https://nodejs.org/en/download or with a version manager (nvm install ' +
      required +
      '), or run: npx -p node@' +
      required +
      ' node ' +
      process.argv[1] +
      '\n',
  );
  process.exitCode = 2;
} else {
  start();
}

function start() {
  const interrupt = new AbortController();
  let interruptedAt = 0;
  ['SIGINT', 'SIGTERM', 'SIGHUP'].forEach((name) => {
    process.on(name, () => {
      const now = Date.now();
      // The second one does not wait for anybody: the one place where the process is ended from within. Under npm one
      // Ctrl-C arrives twice, from the terminal and passed on by npm: at once, faster than a person presses keys.
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

  let readsInput = false;
  import('../dist/cli/main.js')
    .then((main) =>
      main.run(process.argv.slice(2), {
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
        process.exitCode = outputError === undefined ? status : status || 1;
        if (outputError !== undefined)
          process.stderr.write(`Error [internal]: the result could not be written: ${outputError.message}\n`);
        // A pipe whose writer sleeps would keep an interrupted command alive
        if (readsInput) process.stdin.destroy();
      },
      (error) => {
        const unbuilt =
          error.code === 'ERR_MODULE_NOT_FOUND' && /^Cannot find module '[^']*main\.js'/.test(error.message);
        process.stderr.write(
          unbuilt
            ? 'Error [internal]: imgctl is not built: dist/ is missing\n  Hint: Run npm run build in its folder.\n'
            : `Error [internal]: ${error.stack}\n`,
        );
        process.exitCode = 1;
      },
    );
}

function listening(stream, onError) {
  if (!stream.listeners('error').includes(onError)) stream.on('error', onError);
  return stream;
}
