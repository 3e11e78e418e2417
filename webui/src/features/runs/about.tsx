import { Anchor, Group, Paper, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { DescribedFacts } from "@/components/described-facts";
import { PriorityLabel } from "@/components/priority";
import { Reference } from "@/components/reference";
import { Moment } from "@/components/ui/moment";
import { Copy, Facts } from "@/components/ui/values";
import type { Run } from "@/gen/services/runs/v1/runs_pb";
import { useProcess, useProcessTitle } from "@/lib/catalogue";
import { shortId } from "@/lib/names";

// What the run was started with.
export function RunInput({ run }: { run: Run }) {
  const process = useProcess(run.process);
  return (
    <Paper p="md" component="section" aria-labelledby="input">
      <Title order={2} id="input" mb="sm">
        Input
      </Title>
      <DescribedFacts value={run.input} schema={process?.inputSchema} />
    </Paper>
  );
}

// Where the run belongs: its process, key, schedule, the run that it repeats, the build that ran it.
export function RunAbout({ run }: { run: Run }) {
  const titleOf = useProcessTitle();
  const facts: [string, ReactNode][] = [
    [
      "Name",
      <Group key="name" gap={2}>
        runs/…{shortId(run.name)}
        <Copy value={run.name} label="Copy the run's name" />
      </Group>,
    ],
    ["Process", titleOf(run.process)],
    ["Started", <Moment key="start" time={run.startTime} />],
    ["Ended", <Moment key="end" time={run.endTime} />],
  ];
  if (run.key) facts.push(["Key", <RunsOf key="key" search={{ key: run.key }} label={run.key} />]);
  if (run.priority > 0) facts.push(["Priority", <PriorityLabel key="priority" priority={run.priority} />]);
  if (run.schedule) facts.push(["Schedule", <Reference key="schedule" value={run.schedule} />]);
  if (run.retriedFrom) facts.push(["Retry of", <Reference key="from" value={run.retriedFrom} />]);
  if (run.build) facts.push(["Build", <RunsOf key="build" search={{ build: run.build }} label={run.build.slice(0, 12)} />]);
  return (
    <Paper p="md" component="section" aria-labelledby="about">
      <Title order={2} id="about" mb="sm">
        About
      </Title>
      <Facts facts={facts} />
    </Paper>
  );
}

// Other runs that share something with this one.
function RunsOf({ search, label }: { search: { key?: string; build?: string }; label: string }) {
  return (
    <Anchor inherit renderRoot={(props) => <Link to="/runs" search={search} {...props} />}>
      {label}
    </Anchor>
  );
}
