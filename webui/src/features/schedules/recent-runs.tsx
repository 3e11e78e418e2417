import { Anchor, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { Moment } from "@/components/ui/moment";
import { StateBadge } from "@/components/ui/state";
import { Failure, Loading } from "@/components/ui/states";
import { Run_State } from "@/gen/services/runs/v1/runs_pb";
import { useProcessTitle } from "@/lib/catalogue";
import { idOf } from "@/lib/names";
import { useRunsOf } from "./api";

// What a schedule has started lately.
export function RecentRuns({ name }: { name: string }) {
  const titleOf = useProcessTitle();
  const { data, error, refetch } = useRunsOf(name);
  return (
    <Paper p="md" component="section" aria-labelledby="recent">
      <Group justify="space-between" mb="sm">
        <Title order={2} id="recent">
          Recent runs
        </Title>
        <Anchor size="sm" renderRoot={(props) => <Link to="/runs" search={{ schedule: idOf(name) }} {...props} />}>
          All its runs
        </Anchor>
      </Group>
      {error && !data && <Failure error={error} retry={() => void refetch()} />}
      {!error && !data && <Loading rows={3} />}
      {data?.runs.length === 0 && (
        <Text size="sm" c="dimmed">
          It has started nothing yet.
        </Text>
      )}
      {data && (
        <Stack component="ul" gap="xs" m={0} p={0} style={{ listStyle: "none" }}>
          {data.runs.map((run) => (
            <Group component="li" key={run.name} justify="space-between" wrap="nowrap" gap="sm">
              <Anchor
                size="sm"
                truncate
                renderRoot={(props) => <Link to="/runs/$runId" params={{ runId: idOf(run.name) }} {...props} />}
              >
                {run.title || titleOf(run.process)}
              </Anchor>
              <Group gap="sm" wrap="nowrap">
                <Text size="xs" c="dimmed">
                  <Moment time={run.startTime} />
                </Text>
                <StateBadge state={run.parked ? "PARKED" : Run_State[run.state]} size="sm" />
              </Group>
            </Group>
          ))}
        </Stack>
      )}
    </Paper>
  );
}
