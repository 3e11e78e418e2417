import { Badge, Box, Grid, Group, Paper, SegmentedControl, Stack, Text, UnstyledButton } from "@mantine/core";
import { IconInbox, IconMailOpened } from "@tabler/icons-react";
import { useRef } from "react";
import { Moment, useNow } from "@/components/ui/moment";
import { Page } from "@/components/ui/page";
import { StateBadge } from "@/components/ui/state";
import { Empty, Failure, Loaded, Loading } from "@/components/ui/states";
import { LoadMore } from "@/components/ui/table";
import { type Task, Task_State } from "@/gen/services/runs/v1/runs_pb";
import { useProcessTitle } from "@/lib/catalogue";
import { idOf } from "@/lib/names";
import { type Inbox, taskName, useTask, useTasks } from "./api";
import { isOverdue, outcomeOf, quorumOf } from "./outcome";
import { TaskPanel } from "./task-panel";

interface InboxPageProps {
  inbox: Inbox;
  // ID of the task that is open at the right.
  taskId?: string;
  onInbox: (inbox: Inbox) => void;
  onTask: (id: string) => void;
}

export function InboxPage({ inbox, taskId, onInbox, onTask }: InboxPageProps) {
  const query = useTasks(inbox);
  const open = inbox.view !== "ended";
  const panel = useRef<HTMLDivElement>(null);
  const show = (task: Task) => {
    onTask(idOf(task.name));
    // Below a long list, or on a telephone, it would open unseen.
    panel.current?.scrollIntoView({ block: "nearest" });
  };
  return (
    <Page title="Inbox" subtitle="Decisions that runs wait for.">
      <Group gap="sm">
        <SegmentedControl
          aria-label="Which tasks"
          value={inbox.view}
          onChange={(view) => onInbox({ ...inbox, view })}
          data={[
            { value: "mine", label: "I may decide" },
            { value: "open", label: "All open" },
            { value: "ended", label: "Decided and ended" },
          ]}
        />
        {inbox.run && (
          <Badge
            size="lg"
            rightSection={
              <UnstyledButton fz="sm" aria-label="Show the tasks of all runs" onClick={() => onInbox({ ...inbox, run: undefined })}>
                ×
              </UnstyledButton>
            }
          >
            of one run
          </Badge>
        )}
      </Group>
      <Loaded query={query}>
        {({ pages }) => {
          const tasks = pages.flatMap((page) => page.tasks);
          const listed = taskId ? tasks.find(({ name }) => idOf(name) === taskId) : tasks[0];
          if (tasks.length === 0 && !taskId)
            return (
              <Paper>
                <Empty icon={open ? IconMailOpened : IconInbox} title={open ? "Nothing to decide" : "No decisions yet"}>
                  {open
                    ? "When a run needs a decision of yours, it appears here by itself."
                    : "What was decided, expired or withdrawn is kept here."}
                </Empty>
              </Paper>
            );
          return (
            <Grid gap="md">
              <Grid.Col span={{ base: 12, md: 5 }}>
                <Paper component="section" aria-label="Tasks" style={{ overflow: "hidden" }}>
                  {tasks.length === 0 && (
                    <Text size="sm" c="dimmed" p="md">
                      No other task here.
                    </Text>
                  )}
                  <Stack component="ul" gap={0} m={0} p={0} style={{ listStyle: "none" }}>
                    {tasks.map((task) => (
                      <TaskRow key={task.name} task={task} active={task === listed} onOpen={() => show(task)} />
                    ))}
                  </Stack>
                  <LoadMore query={query} />
                </Paper>
              </Grid.Col>
              <Grid.Col span={{ base: 12, md: 7 }} ref={panel} style={{ scrollMarginTop: 60 }}>
                {listed ? <TaskPanel key={listed.name} task={listed} /> : <NamedTask name={taskName(taskId ?? "")} />}
              </Grid.Col>
            </Grid>
          );
        }}
      </Loaded>
    </Page>
  );
}

// A task that the address names but this list does not hold: decided meanwhile, or somebody else's.
function NamedTask({ name }: { name: string }) {
  const { data, error, refetch } = useTask(name, true);
  if (data) return <TaskPanel key={data.name} task={data} />;
  if (error) return <Failure title="This task can't be shown" error={error} retry={() => void refetch()} />;
  return (
    <Paper>
      <Loading rows={4} />
    </Paper>
  );
}

function TaskRow({ task, active, onOpen }: { task: Task; active: boolean; onOpen: () => void }) {
  const titleOf = useProcessTitle();
  const now = useNow(30_000);
  const open = task.state === Task_State.OPEN;
  const quorum = quorumOf(task);
  return (
    <Box component="li" style={{ borderBottom: "1px solid var(--mantine-color-default-border)" }}>
      <UnstyledButton
        w="100%"
        px="md"
        py="sm"
        onClick={onOpen}
        aria-current={active || undefined}
        bg={active ? "var(--mantine-primary-color-light)" : undefined}
        data-testid={`task-${idOf(task.name)}`}
      >
        <Group justify="space-between" wrap="nowrap" gap="sm">
          <Text size="sm" fw={550} truncate>
            {task.title}
          </Text>
          {!open && <StateBadge state={outcomeOf(task)} size="sm" />}
          {open && (
            <Group gap={4} wrap="nowrap" style={{ flexShrink: 0 }}>
              {task.escalated && (
                <Badge color="orange" size="sm">
                  Escalated
                </Badge>
              )}
              {isOverdue(task, now) && (
                <Badge color="red" size="sm">
                  Overdue
                </Badge>
              )}
            </Group>
          )}
        </Group>
        <Group justify="space-between" wrap="nowrap" gap="sm">
          <Text size="xs" c="dimmed" truncate>
            {titleOf(task.process)} · <Moment time={task.createTime} />
            {open && quorum && ` · ${quorum.approvals} of ${quorum.wanted}`}
            {open && task.claimedBy && " · claimed"}
          </Text>
          {open && task.dueTime && (
            <Text size="xs" c="dimmed" style={{ flexShrink: 0 }}>
              due <Moment ahead time={task.dueTime} />
            </Text>
          )}
        </Group>
      </UnstyledButton>
    </Box>
  );
}
