import { Group, Paper, Progress, Text, VisuallyHidden } from "@mantine/core";
import { useNow } from "@/components/ui/moment";
import type { Event } from "@/gen/events/v1/event_pb";
import type { Run } from "@/gen/services/runs/v1/runs_pb";
import { formatCount, plural } from "@/lib/number";
import { date, formatRemaining } from "@/lib/time";
import { hasEnded } from "./model/fold";
import { speedOf } from "./model/rate";

// How far the run is, how fast it goes and how long it will take.
export function RunProgress({ run, events }: { run: Run; events: readonly Event[] }) {
  const over = hasEnded(run.state);
  const now = useNow(over ? 0 : 1000);
  const { progress } = run;
  if (!progress || (progress.total === 0n && progress.done === 0n)) return null;
  const done = Number(progress.done);
  const total = Number(progress.total);
  const percent = total > 0 ? Math.min(100, (done * 100) / total) : 0;
  const start = date(run.startTime)?.getTime() ?? now.getTime();
  const elapsed = (date(run.endTime) ?? now).getTime() - start;
  const speed = over ? (elapsed > 0 ? { rate: (done * 1000) / elapsed, left: undefined } : undefined) : speedOf(events);
  return (
    <Paper p="md" data-testid="run-progress">
      <Group justify="space-between" mb={8} gap="xs">
        <Text size="sm" fw={550} className="numeric" data-testid="run-progress-count">
          {formatCount(progress.done)}
          {total > 0 && ` of ${formatCount(progress.total)}`} {plural(total || done, progress.unit)}
        </Text>
        <Text size="sm" c="dimmed" className="numeric">
          {[
            speed && `${formatCount(Math.round(speed.rate))} ${progress.unit}/s${over ? " on average" : ""}`,
            speed?.left !== undefined && `${formatRemaining(speed.left)} left`,
            total > 0 && `${Math.floor(percent)} %`,
          ]
            .filter(Boolean)
            .join(" · ")}
        </Text>
      </Group>
      <Progress
        value={total > 0 ? percent : 100}
        size="lg"
        radius="sm"
        animated={!over}
        striped={!over && total === 0}
        color={over && percent >= 100 ? "teal" : undefined}
        aria-label="Progress of the run"
      />
      {/* Told in steps of ten, or a screen reader would never stop talking. */}
      <VisuallyHidden aria-live="polite">{total > 0 && `${Math.floor(percent / 10) * 10} percent done`}</VisuallyHidden>
    </Paper>
  );
}
