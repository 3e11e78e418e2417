import { Anchor, Breadcrumbs, Grid, Group, Paper, Stack, Title, VisuallyHidden } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { Actor } from "@/components/actor";
import { StepDiagram } from "@/components/steps/diagram";
import { Elapsed, Moment } from "@/components/ui/moment";
import { Page } from "@/components/ui/page";
import { StateBadge } from "@/components/ui/state";
import { Failure, Loading } from "@/components/ui/states";
import { type Run, Run_State } from "@/gen/services/runs/v1/runs_pb";
import { useProcessTitle } from "@/lib/catalogue";
import { humanise } from "@/lib/names";
import { useViewer } from "@/lib/viewer";
import { RunAbout, RunInput } from "./about";
import { useJournal, useRun } from "./api";
import { Journal } from "./journal";
import { hasEnded, stateWord } from "./model/fold";
import { Notice } from "./notice";
import { RunProgress } from "./progress";
import { Rejects } from "./rejects";
import { rejectedOf, RunResult } from "./result";
import { Steering } from "./steering";
import { StepList } from "./steps";

// As many events of the journal are shown at first, and more at each "Show earlier".
const TAIL = 300n;

interface RunPageProps {
  name: string;
  // Told of a run that was started from here: a retry, an import of corrected rows.
  onStarted: (run: Run) => void;
}

export function RunPage({ name, onStarted }: RunPageProps) {
  const query = useRun(name);
  if (query.data) return <RunView key={name} run={query.data} onStarted={onStarted} />;
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

function RunView({ run, onStarted }: { run: Run; onStarted: (run: Run) => void }) {
  const { can } = useViewer();
  const processTitle = useProcessTitle()(run.process);
  const [from, setFrom] = useState(() => (run.seq > TAIL ? run.seq - TAIL : 0n));
  const journal = useJournal(run.name, from);
  const title = run.title || processTitle;
  const rejected = rejectedOf(run.result) > 0n;
  return (
    <Page
      title={title}
      above={<Trail />}
      heading={
        <Group gap="sm">
          <Title order={1}>{title}</Title>
          <span data-testid="run-state">
            <StateBadge state={stateWord(run)} size="lg" />
          </span>
          <VisuallyHidden aria-live="polite">The run is {humanise(stateWord(run)).toLowerCase()}.</VisuallyHidden>
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
          <Elapsed start={run.startTime} end={run.endTime} running={!hasEnded(run.state) && run.state !== Run_State.QUEUED} />
        </Group>
      }
      actions={<Steering run={run} onRetried={onStarted} />}
    >
      <Stack gap="md">
        <Notice run={run} />
        {run.steps.length > 0 && <StepDiagram steps={run.steps} />}
        <RunProgress run={run} events={journal.data?.events ?? []} />
        {run.result && <RunResult process={run.process} result={run.result} />}
        {run.process === "recordimport" && hasEnded(run.state) && (rejected || !run.result) && can("records.read") && (
          <Rejects run={run} expected={rejected} onStarted={onStarted} />
        )}
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
              <RunInput run={run} />
              <RunAbout run={run} />
            </Stack>
          </Grid.Col>
        </Grid>
      </Stack>
    </Page>
  );
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
