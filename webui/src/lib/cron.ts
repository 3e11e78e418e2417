// A cron line in words, for people who write one once a year. It is a help, not a check: the house decides what a line
// means, and its next times are the proof.

const shorthands: Record<string, string> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
};

const days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const months = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

const list = new Intl.ListFormat("en", { type: "conjunction" });

// "30 6 * * 1-5" -> "At 06:30 from Monday to Friday". Undefined for what can't be read or is too involved for one sentence.
export function describeCron(line: string): string | undefined {
  const fields = (shorthands[line.trim()] ?? line).trim().split(/\s+/);
  const [minute = "", hour = "", day = "", month = "", weekday = ""] = fields;
  if (fields.length !== 5) return undefined;
  const time = timeOf(minute, hour);
  const date = dateOf(day, weekday);
  const season = month === "*" ? "" : namesOf(month, months, 1);
  if (time === undefined || date === undefined || season === undefined) return undefined;
  const sentence = [time, date, season && `in ${season}`].filter(Boolean).join(" ");
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}

function timeOf(minute: string, hour: string): string | undefined {
  const minutes = numbersOf(minute, 59);
  const hours = numbersOf(hour, 23);
  if (minutes && hours && minutes.length * hours.length <= 6)
    return `at ${list.format(hours.flatMap((h) => minutes.map((m) => clock(h, m))))}`;
  const span = hour === "*" ? "" : hoursOf(hour);
  if (span === undefined) return undefined;
  if (minute === "*") return `every minute${span}`;
  const step = stepOf(minute, 59);
  if (step) return `every ${step} minutes${span}`;
  if (!minutes) return undefined;
  const every = stepOf(hour, 23);
  const at = minutes.length === 1 && minutes[0] === 0 ? "" : ` at minute ${list.format(minutes.map(String))}`;
  return every ? `every ${every} hours${at}` : `every hour${at}${span}`;
}

// " from 09:00 to 17:59".
function hoursOf(hour: string): string | undefined {
  const step = stepOf(hour, 23);
  if (step) return ` in every ${ordinal(step)} hour`;
  const range = /^(\d+)-(\d+)$/.exec(hour);
  if (range) return Number(range[2]) > 23 ? undefined : ` from ${clock(Number(range[1]), 0)} to ${clock(Number(range[2]), 59)}`;
  const hours = numbersOf(hour, 23);
  return hours && ` from ${list.format(hours.map((h) => `${clock(h, 0)} to ${clock(h, 59)}`))}`;
}

// Cron joins day of the month and day of the week by "or".
function dateOf(day: string, weekday: string): string | undefined {
  const inMonth = day === "*" ? "" : monthDays(day);
  const inWeek = weekday === "*" ? "" : namesOf(weekday, days, 0);
  if (inMonth === undefined || inWeek === undefined) return undefined;
  const week = inWeek && (inWeek.startsWith("from ") ? inWeek : `on ${inWeek}`);
  if (inMonth && week) return `${inMonth} and ${week}`;
  return inMonth || week || "every day";
}

function monthDays(day: string): string | undefined {
  const step = stepOf(day, 31);
  if (step) return `every ${step} days`;
  const range = /^(\d+)-(\d+)$/.exec(day);
  if (range) return `from day ${range[1]} to day ${range[2]} of the month`;
  const numbers = numbersOf(day, 31);
  return numbers && `on day ${list.format(numbers.map(String))} of the month`;
}

// "1-5" -> "from Monday to Friday", "1,4" -> "Monday and Thursday", "MON" -> "Monday".
function namesOf(field: string, names: readonly string[], first: number): string | undefined {
  const nameOf = (word: string): string | undefined =>
    names.find((name) => name.slice(0, 3).toUpperCase() === word.toUpperCase()) ??
    (/^\d+$/.test(word) ? names[first === 0 ? Number(word) % 7 : Number(word) - first] : undefined);
  const range = /^(\w+)-(\w+)$/.exec(field);
  if (range) {
    const [from, until] = [nameOf(range[1] ?? ""), nameOf(range[2] ?? "")];
    return from && until && `from ${from} to ${until}`;
  }
  const named = field.split(",").map(nameOf);
  return named.every((name) => name !== undefined) ? list.format(named) : undefined;
}

function numbersOf(field: string, most: number): number[] | undefined {
  const numbers = field.split(",").map((word) => (/^\d+$/.test(word) ? Number(word) : NaN));
  return numbers.every((number) => number <= most) ? numbers : undefined;
}

// 15 for "*/15".
function stepOf(field: string, most: number): number | undefined {
  const step = Number(/^\*\/(\d+)$/.exec(field)?.[1]);
  return step > 1 && step <= most ? step : undefined;
}

const two = (value: number) => String(value).padStart(2, "0");
const clock = (hour: number, minute: number) => `${two(hour)}:${two(minute)}`;
const ordinal = (number: number) => `${number}${number === 2 ? "nd" : number === 3 ? "rd" : "th"}`;
