import { timestampDate, type Timestamp } from "@bufbuild/protobuf/wkt";

export const date = (time: Timestamp | undefined): Date | undefined => (time ? timestampDate(time) : undefined);

const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const dayAndYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

export const formatAbsolute = (time: Date) => absolute.format(time);
export const formatClock = (time: Date) => clock.format(time);

// "just now", "5 minutes ago", "in 3 days", then the date.
export function formatRelative(time: Date, now: Date): string {
  const seconds = Math.round((time.getTime() - now.getTime()) / 1000);
  const size = Math.abs(seconds);
  if (size < 10) return "just now";
  if (size < 60) return words.format(seconds, "second");
  if (size < 3600) return words.format(Math.round(seconds / 60), "minute");
  if (size < 86_400) return words.format(Math.round(seconds / 3600), "hour");
  if (size < 7 * 86_400) return words.format(Math.round(seconds / 86_400), "day");
  return (time.getFullYear() === now.getFullYear() ? day : dayAndYear).format(time);
}

// "320 ms", "4.2 s", "2 min 5 s", "3 h 12 min", "2 d 4 h".
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 0) return "0 ms";
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return pair(minutes, "min", Math.floor(seconds % 60), "s");
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return pair(hours, "h", minutes % 60, "min");
  return pair(Math.floor(hours / 24), "d", hours % 24, "h");
}

// How long something will still take, in whole seconds: an estimate should not look exact.
export const formatRemaining = (milliseconds: number) =>
  milliseconds < 60_000 ? `${Math.max(1, Math.ceil(milliseconds / 1000))} s` : formatDuration(milliseconds);

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small ? `${large} ${largeUnit} ${small} ${smallUnit}` : `${large} ${largeUnit}`;
}
