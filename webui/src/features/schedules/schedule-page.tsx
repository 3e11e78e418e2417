import { Alert, Anchor, Breadcrumbs, Button, Grid, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { IconEdit, IconHistory, IconPlayerPause, IconPlayerPlay, IconPlayerTrackNext, IconTrash } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { Actor } from "@/components/actor";
import { DescribedFacts } from "@/components/described-facts";
import { ActionDialog } from "@/components/ui/dialogs";
import { Moment } from "@/components/ui/moment";
import { Page } from "@/components/ui/page";
import { Loaded } from "@/components/ui/states";
import { done } from "@/components/ui/toast";
import { Facts } from "@/components/ui/values";
import type { Run, Schedule } from "@/gen/services/runs/v1/runs_pb";
import { useProcess, useProcessTitle } from "@/lib/catalogue";
import { idOf } from "@/lib/names";
import { formatCount } from "@/lib/number";
import { date } from "@/lib/time";
import { useViewer } from "@/lib/viewer";
import { useSchedule, useScheduleActions } from "./api";
import { BackfillDialog } from "./backfill-dialog";
import { describeCron } from "@/lib/cron";
import { RecentRuns } from "./recent-runs";
import { catchupOf, formatIn, isBuiltin, overlapOf } from "./words";

interface SchedulePageProps {
  name: string;
  onEdit: () => void;
  onDeleted: () => void;
  // Told of the run that "Run now" has started.
  onStarted: (run: Run) => void;
}

export function SchedulePage({ name, ...events }: SchedulePageProps) {
  const query = useSchedule(name);
  const { can } = useViewer();
  return (
    <Page
      title={query.data?.title || idOf(name)}
      subtitle={query.data && `${describeCron(query.data.cron) ?? query.data.cron} (${query.data.timeZone || "UTC"})`}
      above={<SchedulesTrail />}
      actions={query.data && can("runs.write") && <Actions schedule={query.data} {...events} />}
    >
      <Loaded query={query}>{(schedule) => <View schedule={schedule} />}</Loaded>
    </Page>
  );
}

export function SchedulesTrail() {
  return (
    <Breadcrumbs mb={4} fz="sm">
      <Anchor inherit renderRoot={(props) => <Link to="/schedules" {...props} />}>
        Schedules
      </Anchor>
    </Breadcrumbs>
  );
}

function View({ schedule }: { schedule: Schedule }) {
  const titleOf = useProcessTitle();
  const process = useProcess(schedule.process);
  return (
    <Stack gap="md">
      {schedule.paused && (
        <Alert role="note" color="grape" icon={<IconPlayerPause size={18} />} title="Paused" data-testid="schedule-paused">
          {schedule.pauseReason || "It starts nothing until somebody resumes it."}
        </Alert>
      )}
      <Grid gap="md">
        <Grid.Col span={{ base: 12, md: 7 }}>
          <Stack gap="md">
            <NextTimes schedule={schedule} />
            <RecentRuns name={schedule.name} />
          </Stack>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 5 }}>
          <Stack gap="md">
            <Paper p="md" component="section" aria-labelledby="rules">
              <Title order={2} id="rules" mb="sm">
                Rules
              </Title>
              <Facts
                facts={[
                  ["Process", titleOf(schedule.process)],
                  ["Times", schedule.cron],
                  ["Time zone", schedule.timeZone || "UTC"],
                  ["If the last run is open", overlapOf(schedule.overlap).label],
                  ["Missed times are made up for", catchupOf(schedule.catchupSeconds)],
                  ["Passed over so far", formatCount(schedule.skipped)],
                  ["Made by", isBuiltin(schedule.actor) ? "The process itself" : <Actor key="actor" name={schedule.actor} />],
                  ["Changed", <Moment key="changed" time={schedule.updateTime ?? schedule.createTime} />],
                ]}
              />
            </Paper>
            <Paper p="md" component="section" aria-labelledby="input">
              <Title order={2} id="input" mb="sm">
                Input of each run
              </Title>
              <DescribedFacts value={schedule.input} schema={process?.inputSchema} />
            </Paper>
          </Stack>
        </Grid.Col>
      </Grid>
    </Stack>
  );
}

// The times come from the server: they are what will happen, not what the line seems to say.
function NextTimes({ schedule }: { schedule: Schedule }) {
  return (
    <Paper p="md" component="section" aria-labelledby="next">
      <Title order={2} id="next" mb="sm">
        Next times
      </Title>
      {schedule.nextTimes.length === 0 ? (
        <Text size="sm" c="dimmed">
          {schedule.paused ? "None while it is paused." : "None."}
        </Text>
      ) : (
        <Stack component="ol" gap={6} m={0} p={0} style={{ listStyle: "none" }} data-testid="next-times">
          {schedule.nextTimes.map((time) => (
            <Group component="li" key={String(time.seconds)} justify="space-between" wrap="nowrap">
              <Text size="sm" className="numeric">
                {formatIn(date(time) ?? new Date(), schedule.timeZone)}
              </Text>
              <Text size="sm" c="dimmed">
                <Moment ahead time={time} />
              </Text>
            </Group>
          ))}
        </Stack>
      )}
    </Paper>
  );
}

type Asked = "pause" | "resume" | "trigger" | "delete" | "backfill";

function Actions({ schedule, onEdit, onDeleted, onStarted }: Omit<SchedulePageProps, "name"> & { schedule: Schedule }) {
  const [asked, setAsked] = useState<Asked>();
  const { pause, resume, trigger, remove } = useScheduleActions();
  const { can } = useViewer();
  const { name } = schedule;
  // What a process brings along concerns everybody: whether it comes is for administrators to say, and nobody deletes it.
  const builtin = isBuiltin(schedule.actor);
  const close = () => setAsked(undefined);
  const common = { opened: true, onClose: close, shownIn: "the audit trail" };
  return (
    <>
      <Button variant="default" leftSection={<IconPlayerTrackNext size={16} />} onClick={() => setAsked("trigger")}>
        Run now
      </Button>
      {(!builtin || can("*")) &&
        (schedule.paused ? (
          <Button variant="default" leftSection={<IconPlayerPlay size={16} />} onClick={() => setAsked("resume")}>
            Resume
          </Button>
        ) : (
          <Button variant="default" leftSection={<IconPlayerPause size={16} />} onClick={() => setAsked("pause")}>
            Pause
          </Button>
        ))}
      <Button variant="default" leftSection={<IconHistory size={16} />} onClick={() => setAsked("backfill")}>
        Backfill
      </Button>
      {!builtin && (
        <>
          <Button variant="default" leftSection={<IconEdit size={16} />} onClick={onEdit}>
            Edit
          </Button>
          <Button variant="light" color="red" leftSection={<IconTrash size={16} />} onClick={() => setAsked("delete")}>
            Delete
          </Button>
        </>
      )}
      {asked === "trigger" && (
        <ActionDialog
          {...common}
          title="Run now?"
          action="Run now"
          reason="optional"
          run={async (reason) => onStarted(await trigger.mutateAsync({ name, reason }))}
        >
          A run starts with the schedule&apos;s input, beside the plan. The next times stay as they are.
        </ActionDialog>
      )}
      {asked === "pause" && (
        <ActionDialog
          {...common}
          title="Pause the schedule?"
          action="Pause"
          reason="optional"
          run={(reason) => pause.mutateAsync({ name, reason }).then(() => done("The schedule is paused."))}
        >
          It starts nothing until somebody resumes it. Runs that are open go on.
        </ActionDialog>
      )}
      {asked === "resume" && (
        <ActionDialog
          {...common}
          title="Resume the schedule?"
          action="Resume"
          reason="optional"
          run={(reason) => resume.mutateAsync({ name, reason }).then(() => done("The schedule goes on."))}
        >
          It goes on with its next time. Times that have passed meanwhile can be made up for by a backfill.
        </ActionDialog>
      )}
      {asked === "delete" && (
        <ActionDialog
          {...common}
          title="Delete the schedule?"
          action="Delete schedule"
          color="red"
          run={async () => {
            await remove.mutateAsync({ name });
            done("The schedule is deleted.");
            onDeleted();
          }}
        >
          It starts nothing any more. The runs that it has started stay.
        </ActionDialog>
      )}
      {asked === "backfill" && <BackfillDialog schedule={schedule} onClose={close} />}
    </>
  );
}
