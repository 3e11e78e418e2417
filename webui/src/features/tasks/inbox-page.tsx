import { Badge, Box, Grid, Group, Paper, SegmentedControl, Stack, Text, UnstyledButton } from "@mantine/core";
import { IconInbox, IconMailOpened } from "@tabler/icons-react";
import { Moment } from "@/components/ui/moment";
import { Page } from "@/components/ui/page";
import { StateBadge } from "@/components/ui/state";
import { Empty, Loaded } from "@/components/ui/states";
import { LoadMore } from "@/components/ui/table";
import { type Task, Task_State } from "@/gen/services/runs/v1/runs_pb";
import { useProcessTitle } from "@/lib/catalogue";
import { idOf } from "@/lib/names";
import { date } from "@/lib/time";
import { type Inbox, useTasks } from "./api";
import { outcomeOf } from "./outcome";
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
  const open = inbox.state === "open";
  return (
    <Page title="Inbox" subtitle="Decisions that runs wait for.">
      <Group gap="sm">
        <SegmentedControl
          aria-label="Whose tasks"
          disabled={!open}
          value={open ? inbox.scope : "all"}
          onChange={(scope) => onInbox({ ...inbox, scope: scope })}
          data={[
            { value: "mine", label: "I may decide" },
            { value: "all", label: "All" },
          ]}
        />
        <SegmentedControl
          aria-label="State"
          value={inbox.state}
          onChange={(state) => onInbox({ ...inbox, state: state })}
          data={[
            { value: "open", label: "Open" },
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
          const chosen = tasks.find(({ name }) => idOf(name) === taskId) ?? tasks[0];
          if (!chosen)
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
                  <Stack component="ul" gap={0} m={0} p={0} style={{ listStyle: "none" }}>
                    {tasks.map((task) => (
                      <TaskRow key={task.name} task={task} active={task === chosen} onOpen={() => onTask(idOf(task.name))} />
                    ))}
                  </Stack>
                  <LoadMore query={query} />
                </Paper>
              </Grid.Col>
              <Grid.Col span={{ base: 12, md: 7 }}>
                <TaskPanel key={chosen.name} task={chosen} />
              </Grid.Col>
            </Grid>
          );
        }}
      </Loaded>
    </Page>
  );
}

function TaskRow({ task, active, onOpen }: { task: Task; active: boolean; onOpen: () => void }) {
  const titleOf = useProcessTitle();
  const due = date(task.dueTime);
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
          {task.state !== Task_State.OPEN && <StateBadge state={outcomeOf(task)} size="sm" />}
        </Group>
        <Group justify="space-between" wrap="nowrap" gap="sm">
          <Text size="xs" c="dimmed" truncate>
            {titleOf(task.process)} · <Moment time={task.createTime} />
          </Text>
          {task.state === Task_State.OPEN && due && (
            <Text size="xs" c="dimmed" style={{ flexShrink: 0 }}>
              due <Moment time={task.dueTime} />
            </Text>
          )}
        </Group>
      </UnstyledButton>
    </Box>
  );
}
