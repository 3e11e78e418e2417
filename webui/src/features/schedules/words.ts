import { Schedule_Overlap } from "@/gen/services/runs/v1/runs_pb";
import { formatDuration } from "@/lib/time";

// What happens when it is time and the last run is still open.
export const overlaps = [
  { value: Schedule_Overlap.SKIP, label: "Pass over", text: "While the last run is open, the time is passed over." },
  { value: Schedule_Overlap.BUFFER_ONE, label: "Wait for its end", text: "One run waits until the last one has ended." },
  { value: Schedule_Overlap.ALLOW, label: "Start beside it", text: "Runs start beside each other." },
  {
    value: Schedule_Overlap.CANCEL_OTHER,
    label: "Cancel the last one",
    text: "The open run is cancelled and undoes its work; the new one starts.",
  },
] as const;

export const overlapOf = (overlap: Schedule_Overlap) => overlaps.find(({ value }) => value === overlap) ?? overlaps[0];

const HOUR = 3600;
export const catchups = [600, HOUR, 6 * HOUR, 24 * HOUR, 7 * 24 * HOUR, 30 * 24 * HOUR];

// Times missed longer ago are passed over; the server's default is an hour.
export const catchupOf = (seconds: bigint) => formatDuration((Number(seconds) || HOUR) * 1000);

const zones = Intl.supportedValuesOf("timeZone");
export const timeZones = ["UTC", ...zones.filter((zone) => zone !== "UTC")];
export const localZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

// A process brings its own schedule along; it can be paused but belongs to no person.
export const isBuiltin = (actor: string) => actor.startsWith("processes/");

// "Tue, 24 Nov 2026, 06:30" where the schedule lives.
export function formatIn(time: Date, zone: string): string {
  return new Intl.DateTimeFormat("en-GB", {
    weekday: "short",
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    timeZone: zone || "UTC",
  }).format(time);
}

// "Nightly import (EU)" -> "nightly-import-eu".
export const scheduleIdFrom = (title: string) =>
  title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+|-+$/g, "")
    .slice(0, 63);
