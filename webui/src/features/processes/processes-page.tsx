import { Badge, Button, Group, Paper, SimpleGrid, Stack, Text, ThemeIcon, Title } from "@mantine/core";
import { IconGauge, IconPlayerPlay, IconSitemap } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { Page } from "@/components/ui/page";
import { Empty, Loaded } from "@/components/ui/states";
import type { Process } from "@/gen/services/runs/v1/runs_pb";
import { useProcesses } from "@/lib/catalogue";
import { idOf } from "@/lib/names";
import { useViewer } from "@/lib/viewer";
import { rulesOf } from "./rules";

export function ProcessesPage() {
  const query = useProcesses();
  return (
    <Page
      title="Processes"
      subtitle="What can be run here. Choose one to see what will happen, and to start it."
      actions={
        <Button variant="default" leftSection={<IconGauge size={16} />} renderRoot={(props) => <Link to="/load" {...props} />}>
          Load and versions
        </Button>
      }
    >
      <Loaded query={query}>
        {({ processes }) =>
          processes.length === 0 ? (
            <Paper>
              <Empty icon={IconSitemap} title="No processes">
                This installation has no process that you may see.
              </Empty>
            </Paper>
          ) : (
            <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }} spacing="md">
              {processes.map((process) => (
                <ProcessCard key={process.name} process={process} />
              ))}
            </SimpleGrid>
          )
        }
      </Loaded>
    </Page>
  );
}

function ProcessCard({ process }: { process: Process }) {
  const { can } = useViewer();
  const startable = process.startable && can("runs.write");
  return (
    <Paper p="md" className="row-link" data-testid={`process-${idOf(process.name)}`}>
      <Stack gap="sm" h="100%">
        <Group wrap="nowrap" gap="sm">
          <ThemeIcon variant="light" size={36} aria-hidden>
            <IconPlayerPlay size={18} />
          </ThemeIcon>
          <Title order={2}>
            <Link
              to="/processes/$process"
              params={{ process: idOf(process.name) }}
              className="stretched"
              style={{ color: "inherit", textDecoration: "none" }}
            >
              {process.title}
            </Link>
          </Title>
        </Group>
        <Text size="sm" c="dimmed" flex={1}>
          {process.description}
        </Text>
        <Group gap={6}>
          <Badge color="gray">
            {process.steps.length} {process.steps.length === 1 ? "step" : "steps"}
          </Badge>
          {rulesOf(process).map(
            ({ badge, text }) =>
              badge && (
                <Badge key={badge} color="gray" title={text}>
                  {badge}
                </Badge>
              ),
          )}
          {!startable && <Badge color="gray">You may not start it</Badge>}
        </Group>
      </Stack>
    </Paper>
  );
}
