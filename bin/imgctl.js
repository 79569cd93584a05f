#!/usr/bin/env node
// How the package starts: the check of Node.js's version. The single executable brings its own Node.js, and starts with
// executable.js.
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
  import('./process.js').then(({ runProcess }) =>
    runProcess(() => import('../dist/cli/main.js').catch(explainUnbuilt)),
  );
}

function explainUnbuilt(error) {
  if (error.code === 'ERR_MODULE_NOT_FOUND' && /^Cannot find module '[^']*main\.js'/.test(error.message))
    error.stack = 'imgctl is not built: dist/ is missing\n  Hint: Run npm run build in its folder.';
  throw error;
}
