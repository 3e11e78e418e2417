import { Alert, Anchor, Breadcrumbs, Button, Grid, Group, Paper, Stack, Title, VisuallyHidden } from "@mantine/core";
import { IconAlertTriangle, IconInbox } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { Actor } from "@/components/actor";
import { Elapsed, Moment } from "@/components/ui/moment";
import { Page } from "@/components/ui/page";
import { StateBadge } from "@/components/ui/state";
import { Failure, Loading } from "@/components/ui/states";
import { Copy, Facts, StructFacts } from "@/components/ui/values";
import { type Run, Run_State, Step_Kind, Step_State } from "@/gen/services/runs/v1/runs_pb";
import { useProcessTitle } from "@/lib/catalogue";
import { humanise, shortId } from "@/lib/names";
import { useViewer } from "@/lib/viewer";
import { useJournal, useRun } from "./api";
import { RunDiagram } from "./diagram";
import { Journal } from "./journal";
import { hasEnded } from "./model/fold";
import { RunProgress } from "./progress";
import { Reference } from "./reference";
import { RunResult } from "./result";
import { Steering } from "./steering";
import { StepList } from "./steps";

// As many events of the journal are shown at first, and more at each "Show earlier".
const TAIL = 300n;

export function RunPage({ name, onRetried }: { name: string; onRetried: (run: Run) => void }) {
  const query = useRun(name);
  if (query.data) return <RunView key={name} run={query.data} onRetried={onRetried} />;
  return (
    <Page title="Run" above={<Trail />}>
      {query.error ? (
        <Failure title="This run can't be shown" error={query.error} retry={() => void query.refetch()} />
      ) : (
        <Paper>
          <Loading />
        </Paper>
      )}
    </Page>
  );
}

function RunView({ run, onRetried }: { run: Run; onRetried: (run: Run) => void }) {
  const { can } = useViewer();
  const processTitle = useProcessTitle()(run.process);
  const [from, setFrom] = useState(() => (run.seq > TAIL ? run.seq - TAIL : 0n));
  const journal = useJournal(run.name, from);
  const title = run.title || processTitle;
  return (
    <Page
      title={title}
      above={<Trail />}
      heading={
        <Group gap="sm">
          <Title order={1}>{title}</Title>
          <span data-testid="run-state">
            <StateBadge state={Run_State[run.state]} size="lg" />
          </span>
          <VisuallyHidden aria-live="polite">The run is {humanise(Run_State[run.state]).toLowerCase()}.</VisuallyHidden>
        </Group>
      }
      subtitle={
        <Group gap={6}>
          {run.title && <span>{processTitle} ·</span>}
          <span>
            started by <Actor name={run.actor} />
          </span>
          <Moment time={run.startTime} />
          <span>·</span>
          <Elapsed start={run.startTime} end={run.endTime} running={!hasEnded(run.state)} />
        </Group>
      }
      actions={can("runs.write") && <Steering run={run} onRetried={onRetried} />}
    >
      <Stack gap="md">
        <Notice run={run} />
        {run.steps.length > 0 && <RunDiagram steps={run.steps} />}
        <RunProgress run={run} events={journal.data?.events ?? []} />
        {run.result && <RunResult result={run.result} />}
        <Grid gap="md">
          <Grid.Col span={{ base: 12, md: 7 }}>
            <Stack gap="md">
              {run.steps.length > 0 && <StepList steps={run.steps} />}
              <Journal
                query={journal}
                steps={run.steps}
                onEarlier={from > 0n ? () => setFrom(from > 2n * TAIL ? from - 2n * TAIL : 0n) : undefined}
              />
            </Stack>
          </Grid.Col>
          <Grid.Col span={{ base: 12, md: 5 }}>
            <Stack gap="md">
              <Paper p="md" component="section" aria-labelledby="input">
                <Title order={2} id="input" mb="sm">
                  Input
                </Title>
                <StructFacts
                  value={run.input}
                  render={(_, value) => (typeof value === "string" ? <Reference value={value} /> : undefined)}
                />
              </Paper>
              <Paper p="md" component="section" aria-labelledby="about">
                <Title order={2} id="about" mb="sm">
                  About
                </Title>
                <Facts
                  facts={[
                    [
                      "Name",
                      <Group key="name" gap={2}>
                        runs/…{shortId(run.name)}
                        <Copy value={run.name} label="Copy the run's name" />
                      </Group>,
                    ],
                    ["Process", processTitle],
                    ["Started", <Moment key="start" time={run.startTime} />],
                    ["Ended", <Moment key="end" time={run.endTime} />],
                    ...(run.retriedFrom
                      ? [["Repeats", <Reference key="from" value={run.retriedFrom} />] as [string, ReactNode]]
                      : []),
                  ]}
                />
              </Paper>
            </Stack>
          </Grid.Col>
        </Grid>
      </Stack>
    </Page>
  );
}

// What a person should know first: why it failed, or that somebody is waited for.
function Notice({ run }: { run: Run }) {
  const waiting = run.steps.find(({ kind, state }) => kind === Step_Kind.TASK && state === Step_State.WAITING);
  if (run.error && (run.error.message || run.error.reason)) {
    const step = run.steps.find(({ name }) => name === run.error?.step);
    const state = humanise(Run_State[run.state]);
    return (
      <Alert
        color={run.state === Run_State.CANCELLED ? "gray" : "red"}
        icon={<IconAlertTriangle size={18} />}
        title={step ? `${state} in “${step.title || humanise(step.name)}”` : state}
        data-testid="run-error"
      >
        {run.error.message || humanise(run.error.reason)}
      </Alert>
    );
  }
  if (waiting && !hasEnded(run.state))
    return (
      <Alert role="note" color="amber" icon={<IconInbox size={18} />} title={`Waiting for a decision: ${waiting.title}`}>
        <Button
          size="xs"
          variant="filled"
          color="amber"
          renderRoot={(props) => <Link to="/inbox" search={{ run: run.name }} {...props} />}
        >
          Open in the inbox
        </Button>
      </Alert>
    );
  return null;
}

function Trail() {
  return (
    <Breadcrumbs mb={4} fz="sm">
      <Anchor inherit renderRoot={(props) => <Link to="/runs" {...props} />}>
        Runs
      </Anchor>
    </Breadcrumbs>
  );
}
