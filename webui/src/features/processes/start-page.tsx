import { useQuery } from "@connectrpc/connect-query";
import { Anchor, Breadcrumbs, Button, Grid, Paper, Stack, Text, Timeline, Title } from "@mantine/core";
import { IconClock, IconPlayerPlay, IconStack2, IconUser } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { StartForm } from "@/components/forms/start-form";
import { Page } from "@/components/ui/page";
import { Loaded } from "@/components/ui/states";
import { type Process, type Run, RunsService, Step_Kind } from "@/gen/services/runs/v1/runs_pb";
import { humanise, idOf } from "@/lib/names";

export function StartPage({ name, onStarted }: { name: string; onStarted: (run: Run) => void }) {
  const query = useQuery(RunsService.method.getProcess, { name });
  return (
    <Page
      title={query.data?.title ?? humanise(idOf(name))}
      subtitle={query.data?.description}
      above={
        <Breadcrumbs mb={4} fz="sm">
          <Anchor inherit renderRoot={(props) => <Link to="/processes" {...props} />}>
            Processes
          </Anchor>
        </Breadcrumbs>
      }
    >
      <Loaded query={query}>
        {(process) => (
          <Grid gap="md">
            <Grid.Col span={{ base: 12, md: 8 }}>
              <Paper p="lg">
                <StartForm
                  process={process}
                  onStarted={onStarted}
                  aside={
                    idOf(process.name) === "recordimport" && (
                      <Button variant="subtle" renderRoot={(props) => <Link to="/import" {...props} />}>
                        Use the import wizard instead
                      </Button>
                    )
                  }
                />
              </Paper>
            </Grid.Col>
            <Grid.Col span={{ base: 12, md: 4 }}>
              <Outline process={process} />
            </Grid.Col>
          </Grid>
        )}
      </Loaded>
    </Page>
  );
}

const kinds = {
  [Step_Kind.TASK]: { icon: IconUser, text: "A person decides" },
  [Step_Kind.TIMER]: { icon: IconClock, text: "Waits" },
  [Step_Kind.EACH]: { icon: IconStack2, text: "Once for each part" },
  [Step_Kind.CHILD]: { icon: IconStack2, text: "Runs another process" },
  [Step_Kind.ACTIVITY]: { icon: IconPlayerPlay, text: "" },
  [Step_Kind.KIND_UNSPECIFIED]: { icon: IconPlayerPlay, text: "" },
};

// What will happen, before it does.
function Outline({ process }: { process: Process }) {
  return (
    <Paper p="lg" component="section" aria-labelledby="outline">
      <Title order={2} id="outline" mb="md">
        What will happen
      </Title>
      <Timeline bulletSize={26} lineWidth={2} active={-1}>
        {process.steps.map((step) => {
          const { icon: Icon, text } = kinds[step.kind];
          return (
            <Timeline.Item
              key={step.name}
              bullet={<Icon size={13} />}
              title={
                <Text size="sm" fw={550}>
                  {step.title || humanise(step.name)}
                </Text>
              }
            >
              <Stack gap={0}>
                {(text || step.optional) && (
                  <Text size="xs" c="dimmed">
                    {[text, step.optional && "If needed"].filter(Boolean).join(" · ")}
                  </Text>
                )}
              </Stack>
            </Timeline.Item>
          );
        })}
      </Timeline>
    </Paper>
  );
}
