import { useQuery } from "@connectrpc/connect-query";
import { Anchor, Breadcrumbs, Code, Progress, Stack, Text, Title } from "@mantine/core";
import { IconGauge, IconVersions } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ColumnDef } from "@tanstack/react-table";
import { Page } from "@/components/ui/page";
import { Empty, Loaded } from "@/components/ui/states";
import { DataTable } from "@/components/ui/table";
import { type Load_Build, type Load_Limit, RunsService } from "@/gen/services/runs/v1/runs_pb";
import { useProcessTitle } from "@/lib/catalogue";
import { formatCount } from "@/lib/number";
import { POLL_INTERVAL } from "@/lib/query";

// How full the limits are, and which build runs what: before a new version replaces an old one, its runs must have ended.
export function LoadPage() {
  const titleOf = useProcessTitle();
  const query = useQuery(RunsService.method.getLoad, {}, { refetchInterval: POLL_INTERVAL });
  return (
    <Page
      title="Load"
      subtitle="Open runs of your organisation, by limit and by version."
      above={
        <Breadcrumbs mb={4} fz="sm">
          <Anchor inherit renderRoot={(props) => <Link to="/processes" {...props} />}>
            Processes
          </Anchor>
        </Breadcrumbs>
      }
    >
      <Loaded query={query}>
        {({ limits, builds }) => (
          <Stack gap="lg">
            <Stack gap="xs">
              <Title order={2}>Limits</Title>
              <DataTable
                label="Limits"
                rows={limits}
                columns={limitColumns(titleOf)}
                rowId={({ process }) => process}
                linked
                empty={
                  <Empty icon={IconGauge} title="No process has a limit">
                    A process may say how many of its runs are open at once; the others wait in a queue.
                  </Empty>
                }
              />
            </Stack>
            <Stack gap="xs">
              <Title order={2}>Runs per version</Title>
              <DataTable
                label="Runs per version"
                rows={builds}
                columns={buildColumns(titleOf)}
                rowId={({ build, process }) => `${build} ${process}`}
                linked
                empty={
                  <Empty icon={IconVersions} title="Nothing is open">
                    As soon as something runs, the version that runs it is shown here.
                  </Empty>
                }
              />
            </Stack>
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}

const plain = { color: "inherit", textDecoration: "none" };

function limitColumns(titleOf: (process: string) => string): ColumnDef<Load_Limit>[] {
  return [
    {
      header: "Process",
      cell: ({ row: { original } }) => (
        <Link to="/runs" search={{ process: original.process, state: "QUEUED" }} className="stretched" style={plain}>
          {titleOf(original.process)}
        </Link>
      ),
    },
    {
      header: "Running",
      meta: { width: 260 },
      cell: ({ row: { original } }) =>
        original.perKey ? (
          <span className="numeric">
            {formatCount(original.running)}, at most {formatCount(original.limit)} for each key
          </span>
        ) : (
          <Stack gap={4}>
            <Text size="xs" c="dimmed" className="numeric">
              {formatCount(original.running)} of {formatCount(original.limit)}
            </Text>
            <Progress
              size="sm"
              value={(Number(original.running) * 100) / Math.max(1, original.limit)}
              color={Number(original.running) >= original.limit ? "orange" : undefined}
              aria-label={`${titleOf(original.process)}: ${original.running} of ${original.limit}`}
            />
          </Stack>
        ),
    },
    {
      header: "Queued",
      meta: { align: "right" },
      cell: ({ row: { original } }) => <span className="numeric">{formatCount(original.queued)}</span>,
    },
  ];
}

function buildColumns(titleOf: (process: string) => string): ColumnDef<Load_Build>[] {
  return [
    {
      header: "Version",
      cell: ({ row: { original } }) =>
        original.build ? (
          <Link
            to="/runs"
            search={{ build: original.build, process: original.process }}
            className="stretched"
            style={plain}
            aria-label={`${titleOf(original.process)}, version ${original.build.slice(0, 12)}`}
          >
            <Code>{original.build.slice(0, 12)}</Code>
          </Link>
        ) : (
          <Text span size="sm" c="dimmed">
            not started yet
          </Text>
        ),
    },
    { header: "Process", cell: ({ row: { original } }) => titleOf(original.process) },
    {
      header: "Open runs",
      meta: { align: "right" },
      cell: ({ row: { original } }) => <span className="numeric">{formatCount(original.runs)}</span>,
    },
  ];
}
