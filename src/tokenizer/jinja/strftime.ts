/**
 * Python's `strftime`, in English and in local time.
 *
 * @module
 */

const pad = (value: number, digitCount = 2, fill = "0") => String(value).padStart(digitCount, fill);
const named = (date: Date, options: Intl.DateTimeFormatOptions) =>
  new Intl.DateTimeFormat("en-US", options).format(date);
const hourOfTwelve = (date: Date) => date.getHours() % 12 || 12;
const dayOfYear = (date: Date) => {
  const days = Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) -
    Date.UTC(date.getFullYear(), 0, 1);
  return days / 86_400_000 + 1;
};

const CODES: Readonly<Record<string, (date: Date) => string>> = {
  Y: (date) => String(date.getFullYear()),
  y: (date) => pad(date.getFullYear() % 100),
  m: (date) => pad(date.getMonth() + 1),
  d: (date) => pad(date.getDate()),
  e: (date) => pad(date.getDate(), 2, " "),
  B: (date) => named(date, { month: "long" }),
  b: (date) => named(date, { month: "short" }),
  h: (date) => named(date, { month: "short" }),
  A: (date) => named(date, { weekday: "long" }),
  a: (date) => named(date, { weekday: "short" }),
  j: (date) => pad(dayOfYear(date), 3),
  w: (date) => String(date.getDay()),
  u: (date) => String(date.getDay() || 7),
  H: (date) => pad(date.getHours()),
  I: (date) => pad(hourOfTwelve(date)),
  M: (date) => pad(date.getMinutes()),
  S: (date) => pad(date.getSeconds()),
  f: (date) => pad(date.getMilliseconds() * 1000, 6),
  p: (date) => date.getHours() < 12 ? "AM" : "PM",
  F: (date) => strftime(date, "%Y-%m-%d"),
  T: (date) => strftime(date, "%H:%M:%S"),
  D: (date) => strftime(date, "%m/%d/%y"),
  R: (date) => strftime(date, "%H:%M"),
  n: () => "\n",
  t: () => "\t",
  "%": () => "%",
};

/** `date` in `format`; `%-d` is without the zero, and codes that are not known stay as they are. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%(-?)([A-Za-z%])/g, (found, bare: string, code: string) => {
    if (!Object.hasOwn(CODES, code)) return found;
    const text = CODES[code](date);
    return bare === "" ? text : text.replace(/^[0 ]+(?=\d)/, "");
  });
}
