import type { Event } from "@/gen/events/v1/event_pb";
import { date } from "@/lib/time";

// Speed is measured over the last events of this many milliseconds.
const WINDOW = 15_000;

export interface Speed {
  // Units a second.
  rate: number;
  // Milliseconds until done; undefined while the total or the speed is unknown.
  left: number | undefined;
}

// How fast a run has been lately, from the progress that its events carry. Undefined with fewer than two of them.
export function speedOf(events: readonly Event[]): Speed | undefined {
  const samples = events.flatMap(({ time, progress }) => {
    const at = date(time);
    return at && progress ? [{ at: at.getTime(), done: Number(progress.done), total: Number(progress.total) }] : [];
  });
  const last = samples.at(-1);
  if (!last) return undefined;
  const first = samples.find(({ at }) => at >= last.at - WINDOW);
  if (!first || last.at <= first.at || last.done <= first.done) return undefined;
  const rate = ((last.done - first.done) * 1000) / (last.at - first.at);
  return { rate, left: last.total > last.done ? ((last.total - last.done) * 1000) / rate : undefined };
}
