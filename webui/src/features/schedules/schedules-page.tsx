import { Badge, Button, Stack, Text } from "@mantine/core";
import { IconCalendarClock, IconPlus } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ColumnDef } from "@tanstack/react-table";
import { Actor } from "@/components/actor";
import { Moment } from "@/components/ui/moment";
import { Page } from "@/components/ui/page";
import { StateBadge } from "@/components/ui/state";
import { Empty, Loaded } from "@/components/ui/states";
import { DataTable, LoadMore } from "@/components/ui/table";
import type { Schedule } from "@/gen/services/runs/v1/runs_pb";
import { useProcessTitle } from "@/lib/catalogue";
import { idOf } from "@/lib/names";
import { useViewer } from "@/lib/viewer";
import { useSchedules } from "./api";
import { describeCron } from "@/lib/cron";
import { isBuiltin } from "./words";

export function SchedulesPage({ onCreate }: { onCreate: () => void }) {
  const { can } = useViewer();
  const titleOf = useProcessTitle();
  const query = useSchedules();
  const create = can("runs.write") && (
    <Button leftSection={<IconPlus size={16} />} onClick={onCreate}>
      New schedule
    </Button>
  );
  return (
    <Page title="Schedules" subtitle="Runs that start by themselves, at their times." actions={create}>
      <Loaded query={query}>
        {({ pages }) => (
          <DataTable
            label="Schedules"
            rows={pages.flatMap(({ schedules }) => schedules)}
            columns={columns(titleOf)}
            rowId={({ name }) => idOf(name)}
            linked
            minWidth={760}
            footer={<LoadMore query={query} />}
            empty={
              <Empty icon={IconCalendarClock} title="No schedules yet">
                A schedule starts a process with the same input again and again: every night, every Monday, every hour.
              </Empty>
            }
          />
        )}
      </Loaded>
    </Page>
  );
}

function columns(titleOf: (process: string) => string): ColumnDef<Schedule>[] {
  return [
    {
      header: "Schedule",
      cell: ({ row: { original: schedule } }) => (
        <Stack gap={0}>
          <Link
            to="/schedules/$scheduleId"
            params={{ scheduleId: idOf(schedule.name) }}
            className="stretched"
            style={{ color: "inherit", textDecoration: "none" }}
          >
            <Text size="sm" fw={550} span>
              {schedule.title || idOf(schedule.name)}
            </Text>
          </Link>
          <Text size="xs" c="dimmed">
            {titleOf(schedule.process)}
          </Text>
        </Stack>
      ),
    },
    {
      header: "When",
      cell: ({
        row: {
          original: { cron, timeZone },
        },
      }) => (
        <Stack gap={0}>
          <Text size="sm">{describeCron(cron) ?? cron}</Text>
          <Text size="xs" c="dimmed">
            {timeZone || "UTC"}
          </Text>
        </Stack>
      ),
    },
    {
      header: "Next",
      cell: ({
        row: {
          original: { paused, nextTimes },
        },
      }) => (paused ? <StateBadge state="PAUSED" /> : <Moment ahead time={nextTimes[0]} none="never" />),
    },
    { header: "Made by", cell: ({ row: { original: schedule } }) => <MadeBy actor={schedule.actor} /> },
  ];
}

const MadeBy = ({ actor }: { actor: string }) =>
  isBuiltin(actor) ? <Badge color="gray">the process itself</Badge> : <Actor name={actor} />;
