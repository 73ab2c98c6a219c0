import { messageOf } from './errors.ts';
import { main } from './plugin/main.ts';

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // A reader that has seen enough (`| head`) is no error.
    if (error.code === 'EPIPE') process.exit(0);
    process.stderr.write(`error: ${messageOf(error)}\n`);
    process.exit(1);
  });
}

process.exitCode = await main(process.argv.slice(2), {
  out: process.stdout,
  err: process.stderr,
  env: process.env,
  now: Date.now,
});
