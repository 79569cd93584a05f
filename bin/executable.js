import { runProcess } from './process.js';

// How the single executable starts: everything is in one file, and what is heavy runs when it is asked for.

runProcess(() => import('../src/cli/main.ts'));
