import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Text, Tooltip } from "@mantine/core";
import { useCallback, useMemo, useSyncExternalStore } from "react";
import { date, formatAbsolute, formatDuration, formatRelative } from "@/lib/time";

const thisSecond = () => Math.floor(Date.now() / 1000);

// The time now, to the second: read at every render, so that it is never older than what it is compared with, and again
// every `interval` milliseconds. 0 waits for the next render.
export function useNow(interval: number): Date {
  const follow = useCallback(
    (tick: () => void) => {
      const timer = interval ? setInterval(tick, interval) : undefined;
      return () => clearInterval(timer);
    },
    [interval],
  );
  const second = useSyncExternalStore(follow, thisSecond);
  return useMemo(() => new Date(second * 1000), [second]);
}

interface MomentProps {
  time: Timestamp | undefined;
  none?: string;
  // A deadline or a plan, which may lie ahead. Anything else has happened, whatever the clock of this computer says.
  ahead?: boolean;
}

// "5 minutes ago", with the exact time as tooltip and for machines.
export function Moment({ time, none = "–", ahead = false }: MomentProps) {
  const now = useNow(30_000);
  const when = date(time);
  if (!when)
    return (
      <Text span inherit c="dimmed">
        {none}
      </Text>
    );
  return (
    <Tooltip label={formatAbsolute(when)}>
      <time dateTime={when.toISOString()} style={{ whiteSpace: "nowrap" }}>
        {formatRelative(ahead || when < now ? when : now, now)}
      </time>
    </Tooltip>
  );
}

// A moment as a date and a time of day; how long ago that is, is in the tooltip.
export function Instant({ time }: { time: Date }) {
  const now = useNow(30_000);
  return (
    <Tooltip label={formatRelative(time, now)}>
      <time dateTime={time.toISOString()}>{formatAbsolute(time)}</time>
    </Tooltip>
  );
}

// How long something took, or has been taking: it ticks while there is no end.
export function Elapsed({ start, end, running }: { start: Timestamp | undefined; end: Timestamp | undefined; running: boolean }) {
  const now = useNow(running && !end ? 1000 : 0);
  const from = date(start);
  if (!from || (!end && !running))
    return (
      <Text span inherit c="dimmed">
        –
      </Text>
    );
  const until = date(end) ?? (now < from ? from : now);
  return (
    <span className="numeric" style={{ whiteSpace: "nowrap" }}>
      {formatDuration(until.getTime() - from.getTime())}
    </span>
  );
}
