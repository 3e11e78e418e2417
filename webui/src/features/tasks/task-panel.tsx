import { Alert, Anchor, Badge, Button, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { Actor } from "@/components/actor";
import { DescribedFacts } from "@/components/described-facts";
import { FileLink } from "@/components/file-link";
import { Moment, useNow } from "@/components/ui/moment";
import { StateBadge } from "@/components/ui/state";
import { done, failed } from "@/components/ui/toast";
import { Facts } from "@/components/ui/values";
import { type Task, Task_State } from "@/gen/services/runs/v1/runs_pb";
import { useActorName } from "@/lib/catalogue";
import { idOf } from "@/lib/names";
import { useViewer } from "@/lib/viewer";
import { useTaskActions } from "./api";
import { Assignee } from "./assignee";
import { Decision } from "./decision";
import { DelegateDialog } from "./delegate-dialog";
import { isOverdue, outcomeOf, releaseOf } from "./outcome";
import { Votes } from "./votes";

// One task: what is asked, the facts and documents to decide on, who said what so far, and the decision.
export function TaskPanel({ task }: { task: Task }) {
  const { can } = useViewer();
  const now = useNow(30_000);
  const open = task.state === Task_State.OPEN;
  const facts: [string, ReactNode][] = [
    ["For", <Assignee key="for" value={task.assignee} />],
    ["Asked", <Moment key="asked" time={task.createTime} />],
  ];
  if (task.delegatedBy) facts.push(["Delegated by", <Actor key="delegated" name={task.delegatedBy} />]);
  if (open && task.dueTime) facts.push(["Decide before", <Due key="due" task={task} overdue={isOverdue(task, now)} />]);
  if (open && task.claimedBy) facts.push(["Claimed by", <Actor key="claimed" name={task.claimedBy} />]);
  if (task.decidedBy)
    facts.push(["Decided by", <Actor key="by" name={task.decidedBy} />], ["Decided", <Moment key="when" time={task.decideTime} />]);
  if (task.reason) facts.push(["Reason", task.reason]);
  return (
    <Paper p="lg" component="section" aria-labelledby="task" data-testid="task-panel">
      <Stack gap="md">
        <Group justify="space-between" align="flex-start">
          <Title order={2} id="task">
            {task.title}
          </Title>
          {!open && <StateBadge state={outcomeOf(task)} />}
          {open && task.escalated && <Badge color="orange">Escalated: nobody decided in time</Badge>}
        </Group>
        {task.description && (
          <Text size="sm" style={{ whiteSpace: "pre-line", wordBreak: "break-word" }}>
            {task.description}
          </Text>
        )}
        {task.context && Object.keys(task.context).length > 0 && (
          <Paper p="sm" bg="var(--mshub-canvas)">
            <DescribedFacts value={task.context} />
          </Paper>
        )}
        {task.files.length > 0 && (
          <Stack gap={6} component="section" aria-label="Files to look at">
            {task.files.map((file) => (
              <Text key={file} size="sm">
                <FileLink name={file} />
              </Text>
            ))}
          </Stack>
        )}
        <Facts facts={facts} />
        <Votes task={task} />
        <Handling task={task} />
        {open && can("tasks.decide") && (task.decidable ? <Decision task={task} /> : <NotNow task={task} />)}
        {!open && task.form && Object.keys(task.form).length > 0 && <DescribedFacts value={task.form} schema={task.formSchema} />}
      </Stack>
    </Paper>
  );
}

function Due({ task, overdue }: { task: Task; overdue: boolean }) {
  return (
    <Group gap="xs">
      <Moment ahead time={task.dueTime} />
      {overdue && (
        <Badge color="red" size="sm">
          Overdue
        </Badge>
      )}
    </Group>
  );
}

// What giving it back is called, and what it does.
const releases = {
  claim: { label: "Release", told: "Others can decide it again." },
  delegation: { label: "Take back", told: "Taken back: the task is for whom it was first." },
};

// Who takes care of it: claim, release, give to somebody else, take back from there.
function Handling({ task }: { task: Task }) {
  const viewer = useViewer();
  const { can, user } = viewer;
  const { claim, release } = useTaskActions();
  const [delegating, setDelegating] = useState(false);
  const mayDecide = task.state === Task_State.OPEN && can("tasks.decide");
  const mine = task.claimedBy !== "" && task.claimedBy === user?.name;
  const releasable = releaseOf(task, viewer);
  const button = { size: "xs", variant: "default" } as const;
  return (
    <Group gap="sm">
      {can("runs.read") && (
        <Anchor size="sm" renderRoot={(props) => <Link to="/runs/$runId" params={{ runId: idOf(task.run) }} {...props} />}>
          Show the run
        </Anchor>
      )}
      {mayDecide && !task.claimedBy && task.decidable && (
        <Button
          {...button}
          loading={claim.isPending}
          onClick={() =>
            claim.mutate({ name: task.name }, { onSuccess: () => done("The task is yours until you release it."), onError: failed })
          }
        >
          Claim
        </Button>
      )}
      {releasable && (
        <Button
          {...button}
          loading={release.isPending}
          onClick={() => release.mutate({ name: task.name }, { onSuccess: () => done(releases[releasable].told), onError: failed })}
        >
          {releases[releasable].label}
        </Button>
      )}
      {mayDecide && (task.decidable || mine) && (
        <Button {...button} onClick={() => setDelegating(true)}>
          Delegate
        </Button>
      )}
      {delegating && <DelegateDialog task={task} onClose={() => setDelegating(false)} />}
    </Group>
  );
}

// Why the viewer can't decide it now.
function NotNow({ task }: { task: Task }) {
  const { user } = useViewer();
  const nameOf = useActorName();
  const voted = task.votes.some(({ actor }) => actor === user?.name);
  return (
    <Alert role="note" color="gray" p="sm">
      <Text size="sm">
        {voted
          ? "You have given your vote. Others decide the rest."
          : task.claimedBy && task.claimedBy !== user?.name
            ? `${nameOf(task.claimedBy)} has claimed this task and will decide it.`
            : task.fourEyes
              ? "Somebody else decides this one: who started the run may not."
              : "Somebody else decides this one."}
      </Text>
    </Alert>
  );
}
