import { messageOf } from './errors.ts';
import { COMPLETE, main } from './plugin/main.ts';

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // A reader that has seen enough (`| head`) is no error.
    if (error.code === 'EPIPE') process.exit(0);
    process.stderr.write(`error: ${messageOf(error)}\n`);
    process.exit(1);
  });
}

const tokens = process.argv.slice(2);
process.exitCode = await main(tokens, {
  out: process.stdout,
  err: process.stderr,
  env: process.env,
  now: Date.now,
});
// Somebody waits for a key to do something, and a connection may still be under way.
if (tokens[0] === COMPLETE) process.exit();
