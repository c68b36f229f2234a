// What commands that run for long have in common: numbers as options, and a bar that says how far they are.
import progress from "cli-progress";

/** The value of an option that is a whole number from `least` to 2^32 - 1; anything else ends the command. */
export function wholeNumber(name, value, least = 0) {
  const number = Number(value);
  if (Number.isInteger(number) && number >= least && number < 2 ** 32) return number;
  console.error(`--${name} must be a whole number from ${least} to 2^32 - 1, not ${value}`);
  process.exit(2);
}

/** Shows how many of `total` are done, and how many a second; where there is no terminal, every half minute. */
export function progressBar(total) {
  const bar = new progress.SingleBar({
    format: "{bar} {percentage} % | {value} of {total} | {rate}/s | {duration_formatted}",
    barsize: 30,
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 30_000,
  });
  const startedAt = performance.now();
  bar.start(total, 0, { rate: 0 });
  return {
    update: (done) => bar.update(done, { rate: Math.round((1_000 * done) / (performance.now() - startedAt)) }),
    end(done) {
      this.update(done);
      bar.stop();
    },
  };
}
