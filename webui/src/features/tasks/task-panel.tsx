import { Alert, Anchor, Button, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Actor } from "@/components/actor";
import { Moment } from "@/components/ui/moment";
import { StateBadge } from "@/components/ui/state";
import { done, failed } from "@/components/ui/toast";
import { Facts, StructFacts } from "@/components/ui/values";
import { type Task, Task_State } from "@/gen/services/runs/v1/runs_pb";
import { useActorName, useRoles } from "@/lib/catalogue";
import { idOf } from "@/lib/names";
import { useViewer } from "@/lib/viewer";
import { useTaskActions } from "./api";
import { Decision } from "./decision";
import { outcomeOf } from "./outcome";

// One task: what is asked, the facts to decide on, and the decision.
export function TaskPanel({ task }: { task: Task }) {
  const { can, user } = useViewer();
  const { claim, release } = useTaskActions();
  const open = task.state === Task_State.OPEN;
  const mine = task.claimedBy !== "" && task.claimedBy === user?.name;
  const facts: [string, ReactNode][] = [
    ["For", <Assignee key="for" value={task.assignee} />],
    ["Asked", <Moment key="asked" time={task.createTime} />],
  ];
  if (open && task.dueTime) facts.push(["Decide before", <Moment key="due" time={task.dueTime} />]);
  if (open && task.claimedBy) facts.push(["Claimed by", <Actor key="claimed" name={task.claimedBy} />]);
  if (task.decidedBy)
    facts.push(["Decided by", <Actor key="by" name={task.decidedBy} />], ["Decided", <Moment key="when" time={task.decideTime} />]);
  if (task.reason) facts.push(["Reason", task.reason]);
  return (
    <Paper p="lg" component="section" aria-labelledby="task" data-testid="task-panel">
      <Stack gap="md">
        <Group justify="space-between" align="flex-start" wrap="nowrap">
          <Title order={2} id="task">
            {task.title}
          </Title>
          {!open && <StateBadge state={outcomeOf(task)} />}
        </Group>
        {task.description && <Text size="sm">{task.description}</Text>}
        {task.context && Object.keys(task.context).length > 0 && (
          <Paper p="sm" bg="var(--mshub-canvas)">
            <StructFacts value={task.context} />
          </Paper>
        )}
        <Facts facts={facts} />
        <Group gap="sm">
          <Anchor size="sm" renderRoot={(props) => <Link to="/runs/$runId" params={{ runId: idOf(task.run) }} {...props} />}>
            Show the run
          </Anchor>
          {open && can("tasks.decide") && !task.claimedBy && task.decidable && (
            <Button
              size="xs"
              variant="default"
              loading={claim.isPending}
              onClick={() =>
                claim.mutate(
                  { name: task.name },
                  { onSuccess: () => done("The task is yours until you release it."), onError: failed },
                )
              }
            >
              Claim
            </Button>
          )}
          {open && mine && (
            <Button
              size="xs"
              variant="default"
              loading={release.isPending}
              onClick={() =>
                release.mutate({ name: task.name }, { onSuccess: () => done("Others can decide it again."), onError: failed })
              }
            >
              Release
            </Button>
          )}
        </Group>
        {open && can("tasks.decide") && (task.decidable ? <Decision task={task} /> : <NotNow task={task} />)}
        {!open && task.form && Object.keys(task.form).length > 0 && <StructFacts value={task.form} />}
      </Stack>
    </Paper>
  );
}

function NotNow({ task }: { task: Task }) {
  const nameOf = useActorName();
  return (
    <Alert role="note" color="gray" p="sm">
      <Text size="sm">
        {task.claimedBy ? `${nameOf(task.claimedBy)} has claimed this task and will decide it.` : "Somebody else decides this one."}
      </Text>
    </Alert>
  );
}

// "roles/approver", "users/ID" or an e-mail address, in words.
function Assignee({ value }: { value: string }) {
  const { data } = useRoles();
  if (value.startsWith("roles/"))
    return <>Everyone with the role {data?.roles.find(({ name }) => name === value)?.title ?? idOf(value)}</>;
  return value.startsWith("users/") ? <Actor name={value} /> : <>{value}</>;
}
