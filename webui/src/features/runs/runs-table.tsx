import { Progress, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ColumnDef } from "@tanstack/react-table";
import { Actor } from "@/components/actor";
import { Elapsed, Moment } from "@/components/ui/moment";
import { StateBadge } from "@/components/ui/state";
import type { Progress as Counted } from "@/gen/events/v1/event_pb";
import { type Run, Run_State } from "@/gen/services/runs/v1/runs_pb";
import { humanise, idOf, shortId } from "@/lib/names";
import { formatCount, formatShort, plural } from "@/lib/number";
import { hasEnded, stateWord } from "./model/fold";

export function runColumns(titleOf: (process: string) => string): ColumnDef<Run>[] {
  return [
    {
      header: "Run",
      cell: ({ row: { original: run } }) => (
        <Stack gap={0}>
          <Link
            to="/runs/$runId"
            params={{ runId: idOf(run.name) }}
            className="stretched"
            style={{ color: "inherit", textDecoration: "none" }}
          >
            <Text size="sm" fw={550} span>
              {run.title || titleOf(run.process)}
            </Text>
          </Link>
          <Text size="xs" c="dimmed">
            {[run.title ? titleOf(run.process) : `…${shortId(run.name)}`, run.key !== run.title && run.key]
              .filter(Boolean)
              .join(" · ")}
          </Text>
        </Stack>
      ),
    },
    { header: "State", meta: { width: 140 }, cell: ({ row: { original: run } }) => <StateBadge state={stateWord(run)} /> },
    { header: "Progress", meta: { width: 240 }, cell: ({ row: { original: run } }) => <RunProgress run={run} /> },
    { header: "Started by", cell: ({ row: { original: run } }) => <Actor name={run.schedule || run.actor} /> },
    { header: "Started", cell: ({ row: { original: run } }) => <Moment time={run.startTime} /> },
    {
      header: "Took",
      meta: { align: "right" },
      cell: ({ row: { original: run } }) => (
        <Elapsed start={run.startTime} end={run.endTime} running={!hasEnded(run.state) && run.state !== Run_State.QUEUED} />
      ),
    },
  ];
}

function RunProgress({ run }: { run: Run }) {
  const { progress } = run;
  if (!progress || progress.done + progress.total === 0n)
    return (
      <Text size="xs" c="dimmed">
        {hasEnded(run.state) ? "–" : run.queuePosition > 0n ? `place ${formatCount(run.queuePosition)}` : humanise(run.step)}
      </Text>
    );
  return (
    <Stack gap={4}>
      <Text size="xs" c="dimmed" className="numeric">
        {countsOf(progress)}
      </Text>
      {progress.total > 0n && !hasEnded(run.state) && (
        <Progress
          size="sm"
          value={(Number(progress.done) * 100) / Number(progress.total)}
          aria-label={`Progress: ${countsOf(progress)}`}
        />
      )}
    </Stack>
  );
}

function countsOf({ done, total, unit }: Counted): string {
  if (total === 0n || done === total) return `${formatCount(done)} ${plural(done, unit)}`;
  return `${formatCount(done)} of ${Number(total) >= 1e6 ? formatShort(Number(total)) : formatCount(total)} ${plural(total, unit)}`;
}
