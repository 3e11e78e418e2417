import { Button, Group, Progress, Select, Stack, Text } from "@mantine/core";
import { IconListCheck, IconPlus } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ColumnDef } from "@tanstack/react-table";
import { Actor } from "@/components/actor";
import { Elapsed, Moment } from "@/components/ui/moment";
import { Page } from "@/components/ui/page";
import { StateBadge } from "@/components/ui/state";
import { Empty, Loaded } from "@/components/ui/states";
import { DataTable, LoadMore } from "@/components/ui/table";
import type { Progress as Counted } from "@/gen/events/v1/event_pb";
import { type Run, Run_State } from "@/gen/services/runs/v1/runs_pb";
import { useProcesses, useProcessTitle } from "@/lib/catalogue";
import { humanise, idOf, shortId } from "@/lib/names";
import { formatCount, formatShort, plural } from "@/lib/number";
import { useViewer } from "@/lib/viewer";
import { type RunFilter, useRuns } from "./api";
import { hasEnded } from "./model/fold";

const states = Object.keys(Run_State).filter((key) => Number.isNaN(Number(key)) && key !== "STATE_UNSPECIFIED");

export function RunsPage({ filter, onFilter }: { filter: RunFilter; onFilter: (filter: RunFilter) => void }) {
  const { can } = useViewer();
  const titleOf = useProcessTitle();
  const processes = useProcesses();
  const query = useRuns(filter);
  const filtered = Boolean(filter.state || filter.process);
  return (
    <Page
      title="Runs"
      subtitle="Every process in motion and everything that has ended, newest first."
      actions={
        can("runs.write") && (
          <Button renderRoot={(props) => <Link to="/processes" {...props} />} leftSection={<IconPlus size={16} />}>
            Start a process
          </Button>
        )
      }
    >
      <Group gap="sm">
        <Select
          aria-label="State"
          placeholder="Any state"
          clearable
          w={180}
          data={states.map((value) => ({ value, label: humanise(value) }))}
          value={filter.state ?? null}
          onChange={(state) => onFilter({ ...filter, state: state ?? undefined })}
        />
        <Select
          aria-label="Process"
          placeholder="Any process"
          clearable
          w={220}
          data={(processes.data?.processes ?? []).map(({ name, title }) => ({ value: idOf(name), label: title }))}
          value={filter.process ?? null}
          onChange={(process) => onFilter({ ...filter, process: process ?? undefined })}
        />
      </Group>
      <Loaded query={query} rows={10}>
        {({ pages }) => (
          <DataTable
            label="Runs"
            rows={pages.flatMap(({ runs }) => runs)}
            columns={columns(titleOf)}
            rowId={({ name }) => idOf(name)}
            linked
            minWidth={860}
            dimmed={query.isPlaceholderData}
            footer={<LoadMore query={query} />}
            empty={
              filtered ? (
                <Empty
                  title="No run fits this filter"
                  action={
                    <Button variant="light" onClick={() => onFilter({})}>
                      Clear the filter
                    </Button>
                  }
                />
              ) : (
                <Empty icon={IconListCheck} title="No runs yet">
                  A run is one execution of a process: an import, the onboarding of a person. Start one and watch it here.
                </Empty>
              )
            }
          />
        )}
      </Loaded>
    </Page>
  );
}

function columns(titleOf: (process: string) => string): ColumnDef<Run>[] {
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
            {run.title ? titleOf(run.process) : `…${shortId(run.name)}`}
          </Text>
        </Stack>
      ),
    },
    { header: "State", meta: { width: 140 }, cell: ({ row: { original: run } }) => <StateBadge state={Run_State[run.state]} /> },
    { header: "Progress", meta: { width: 240 }, cell: ({ row: { original: run } }) => <RunProgress run={run} /> },
    { header: "Started by", cell: ({ row: { original: run } }) => <Actor name={run.actor} /> },
    { header: "Started", cell: ({ row: { original: run } }) => <Moment time={run.startTime} /> },
    {
      header: "Took",
      meta: { align: "right" },
      cell: ({ row: { original: run } }) => <Elapsed start={run.startTime} end={run.endTime} running={!hasEnded(run.state)} />,
    },
  ];
}

function RunProgress({ run }: { run: Run }) {
  const { progress } = run;
  if (!progress || progress.done + progress.total === 0n)
    return (
      <Text size="xs" c="dimmed">
        {hasEnded(run.state) ? "–" : humanise(run.step)}
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
