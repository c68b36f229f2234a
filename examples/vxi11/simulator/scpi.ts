import { setTimeout as sleep } from "node:timers/promises";

/** What a command may touch besides the instrument: the link that it came over. */
export interface CommandLink {
  /** How long the link's next read is held up, whatever its I/O timeout says. */
  stallMs: number;
  /** Ends what runs: the link was cleared, or is gone. */
  readonly signal: AbortSignal;
}

/** SCPI's error queue holds this many; the last place then says that it overflowed. */
const errorsMax = 16;

/** A simulated wait may not outlive everybody's patience: an hour. */
const waitMsMax = 3_600_000;

type Answer = string | undefined | Promise<string>;

/**
 * The instrument behind the links: a voltmeter with a source to measure. It speaks a little SCPI:
 *
 * | command | |
 * |---|---|
 * | `*IDN?` `*RST` `*CLS` `*OPC?` `*TRG` | those of every instrument |
 * | `VOLT 1.5` `VOLT?` | the source |
 * | `MEAS:VOLT?` | measures it |
 * | `FETC?` | what the last trigger measured |
 * | `SYST:ERR?` | takes the oldest error out of the queue |
 * | `SLOW? 500` | answers after that many milliseconds |
 * | `DIAG:STALL 500` | the next read answers that late, as a hung instrument would |
 */
export class Instrument {
  readonly identity: string;
  #volts = 1;
  #measurements = 0;
  #triggered: string | undefined;
  readonly #errors: string[] = [];

  constructor(identity: string) {
    this.identity = identity;
  }

  get hasErrors(): boolean {
    return this.#errors.length > 0;
  }

  /** @returns the answer, or undefined where there is none */
  async execute(command: string, link: CommandLink): Promise<string | undefined> {
    for (const [pattern, run] of this.#commands) {
      const match = pattern.exec(command);
      if (match !== null) return await run(match[1] ?? "", link);
    }
    this.fail(-113, "Undefined header", command);
    return undefined;
  }

  /** What IEEE 488's group execute trigger and `*TRG` do. */
  trigger(): undefined {
    this.#triggered = this.#measure();
  }

  fail(number: number, text: string, detail = ""): void {
    const what = detail === "" ? text : `${text};${detail.slice(0, 40)}`;
    if (this.#errors.length < errorsMax) this.#errors.push(`${number},"${what.replaceAll('"', "'")}"`);
    else this.#errors[errorsMax - 1] = `-350,"Queue overflow"`;
  }

  // SCPI's keywords have a short form and a long one, and nothing between.
  readonly #commands: readonly (readonly [RegExp, (argument: string, link: CommandLink) => Answer])[] = [
    [/^\*IDN\?$/i, () => this.identity],
    [/^\*RST$/i, () => this.#reset()],
    [/^\*CLS$/i, () => this.#forgetErrors()],
    [/^\*OPC\?$/i, () => "1"],
    [/^\*TRG$/i, () => this.trigger()],
    [/^:?(?:SOUR(?:CE)?:)?VOLT(?:AGE)?\?$/i, () => scientific(this.#volts)],
    [/^:?(?:SOUR(?:CE)?:)?VOLT(?:AGE)? (.+)$/i, (argument) => this.#setVolts(argument)],
    [/^:?MEAS(?:URE)?:VOLT(?:AGE)?(?::DC)?\?$/i, () => this.#measure()],
    [/^:?FETC(?:H)?\?$/i, () => this.#fetch()],
    [/^:?SYST(?:EM)?:ERR(?:OR)?(?::NEXT)?\?$/i, () => this.#errors.shift() ?? `0,"No error"`],
    [/^SLOW\? (\d{1,7})$/i, (argument, { signal }) => slow(Number(argument), signal)],
    [
      /^DIAG(?:NOSTIC)?:STALL (\d{1,7})$/i,
      (argument, link) => {
        link.stallMs = Math.min(Number(argument), waitMsMax);
        return undefined;
      },
    ],
  ];

  #forgetErrors(): undefined {
    this.#errors.splice(0);
  }

  #reset(): undefined {
    this.#volts = 1;
    this.#triggered = undefined;
  }

  #setVolts(argument: string): undefined {
    const volts = Number(argument);
    if (!Number.isFinite(volts)) this.fail(-104, "Data type error", argument);
    else if (Math.abs(volts) > 30) this.fail(-222, "Data out of range", argument);
    else this.#volts = volts;
  }

  /** A few microvolts of noise, the same in every run. */
  #measure(): string {
    this.#measurements++;
    return scientific(this.#volts + Math.sin(this.#measurements) * 5e-6);
  }

  #fetch(): string | undefined {
    if (this.#triggered === undefined) this.fail(-230, "Data corrupt or stale");
    return this.#triggered;
  }
}

async function slow(ms: number, signal: AbortSignal): Promise<string> {
  await sleep(Math.min(ms, waitMsMax), undefined, { signal });
  return `slow ${ms}`;
}

/** SCPI's NR3, such as `+1.234000E+00`. */
function scientific(value: number): string {
  const [mantissa = "", exponent = ""] = value.toExponential(6).split("e");
  const [sign = "", digits = ""] = [exponent.slice(0, 1), exponent.slice(1)];
  return `${value < 0 ? "" : "+"}${mantissa}E${sign}${digits.padStart(2, "0")}`;
}
