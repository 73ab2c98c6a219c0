// Preloaded into a program (NODE_OPTIONS=--import=...): its Date is ahead by the milliseconds of CLOCK_AHEAD, behind
// where they are negative, and right again or wrong again at each SIGUSR2, as when a clock is set while it runs.
// Timers go on as they do then: they are the kernel's monotonic clock.
const RealDate = Date;
const ahead = Number(process.env.CLOCK_AHEAD ?? 0);
let isOff = process.env.CLOCK_IS_OFF === 'yes';

const now = () => RealDate.now() + (isOff ? ahead : 0);

class SteppedDate extends RealDate {
  constructor(...parts: readonly unknown[]) {
    super(...((parts.length === 0 ? [now()] : parts) as [number]));
  }

  static override now(): number {
    return now();
  }
}

globalThis.Date = SteppedDate as DateConstructor;
process.on('SIGUSR2', () => {
  isOff = !isOff;
});
