import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Text, Tooltip } from "@mantine/core";
import { useEffect, useState } from "react";
import { date, formatAbsolute, formatDuration, formatRelative } from "@/lib/time";

// The time now, again every `interval` milliseconds; 0 stands still.
export function useNow(interval: number): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    if (!interval) return;
    const timer = setInterval(() => setNow(new Date()), interval);
    return () => clearInterval(timer);
  }, [interval]);
  return now;
}

// "5 minutes ago", with the exact time as tooltip and for machines.
export function Moment({ time, none = "–" }: { time: Timestamp | undefined; none?: string }) {
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
        {formatRelative(when, now)}
      </time>
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
  return <span className="numeric">{formatDuration(until.getTime() - from.getTime())}</span>;
}
