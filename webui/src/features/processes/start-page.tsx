import { useQuery } from "@connectrpc/connect-query";
import { Anchor, Breadcrumbs, Button, Grid, Group, List, Paper, Stack, Text, Timeline, Title } from "@mantine/core";
import { IconClock, IconPlayerPlay, IconStack2, IconUser } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { StartForm } from "@/components/forms/start-form";
import { StepDiagram } from "@/components/steps/diagram";
import { Page } from "@/components/ui/page";
import { Loaded } from "@/components/ui/states";
import { type Process, type Run, RunsService, Step_Kind } from "@/gen/services/runs/v1/runs_pb";
import { humanise, idOf } from "@/lib/names";
import { useViewer } from "@/lib/viewer";
import { rulesOf } from "./rules";

export function StartPage({ name, onStarted }: { name: string; onStarted: (run: Run) => void }) {
  const { can } = useViewer();
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
          <Stack gap="md">
            {process.steps.length > 0 && <StepDiagram steps={process.steps} planned />}
            <Grid gap="md">
              <Grid.Col span={{ base: 12, md: 8 }}>
                <Paper p="lg" component="section" aria-labelledby="start">
                  <Title order={2} id="start" mb="md">
                    Start
                  </Title>
                  {process.startable && can("runs.write") ? (
                    <StartForm
                      process={process}
                      onStarted={onStarted}
                      aside={idOf(process.name) === "recordimport" && <WizardLink />}
                    />
                  ) : (
                    <Text size="sm" c="dimmed">
                      You may look at this process, but not start it
                      {process.permission && `: that needs the permission “${process.permission}”`}.
                    </Text>
                  )}
                </Paper>
              </Grid.Col>
              <Grid.Col span={{ base: 12, md: 4 }}>
                <Stack gap="md">
                  <Rules process={process} />
                  <Outline process={process} />
                </Stack>
              </Grid.Col>
            </Grid>
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}

function WizardLink() {
  return (
    <Button variant="subtle" renderRoot={(props) => <Link to="/import" {...props} />}>
      Use the import wizard instead
    </Button>
  );
}

// Limits and habits, and the way to a schedule.
function Rules({ process }: { process: Process }) {
  const { can } = useViewer();
  const id = idOf(process.name);
  return (
    <Paper p="lg" component="section" aria-labelledby="rules">
      <Title order={2} id="rules" mb="sm">
        Rules
      </Title>
      <List size="sm" spacing={4} listStyleType="disc">
        {rulesOf(process).map(({ text }) => (
          <List.Item key={text}>{text}</List.Item>
        ))}
      </List>
      <Group gap="md" mt="sm">
        <Anchor size="sm" renderRoot={(props) => <Link to="/runs" search={{ process: id }} {...props} />}>
          Its runs
        </Anchor>
        {process.startable && can("runs.write") && (
          <Anchor size="sm" renderRoot={(props) => <Link to="/schedules" search={{ create: true, process: id }} {...props} />}>
            Start it by schedule
          </Anchor>
        )}
      </Group>
    </Paper>
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
                {(text || step.optional || step.skippable) && (
                  <Text size="xs" c="dimmed">
                    {[text, step.optional && "If needed", step.skippable && "May be skipped"].filter(Boolean).join(" · ")}
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
