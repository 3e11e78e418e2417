import { useInfiniteQuery, useQuery } from "@connectrpc/connect-query";
import { Alert, Button, Code, Drawer, Group, Stack, Text, TextInput, Title } from "@mantine/core";
import { IconHistory, IconSearch, IconShieldCheck, IconShieldX } from "@tabler/icons-react";
import type { ColumnDef } from "@tanstack/react-table";
import { type ReactNode, useState } from "react";
import { Actor } from "@/components/actor";
import { Moment } from "@/components/ui/moment";
import { Page } from "@/components/ui/page";
import { Empty, Failure, Loaded } from "@/components/ui/states";
import { DataTable, LoadMore } from "@/components/ui/table";
import { Facts, StructFacts } from "@/components/ui/values";
import { AuditService, type Entry } from "@/gen/services/audit/v1/audit_pb";
import { problemOf } from "@/lib/errors";
import { humanise, idOf, shortName } from "@/lib/names";
import { formatCount } from "@/lib/number";

interface AuditPageProps {
  filter: string;
  onFilter: (filter: string) => void;
}

export function AuditPage({ filter, onFilter }: AuditPageProps) {
  const [draft, setDraft] = useState(filter);
  const [shown, setShown] = useState<Entry>();
  const query = useInfiniteQuery(
    AuditService.method.listEntries,
    { filter, pageSize: 100, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined },
  );
  const fault = query.error && filter ? problemOf(query.error).fields.filter : undefined;
  return (
    <Page
      title="Audit"
      subtitle="Every change: who, what, when, from where. Entries can't be altered unnoticed."
      actions={<Verify />}
    >
      <form
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          onFilter(draft.trim());
        }}
      >
        <Group align="flex-start" gap="sm" wrap="nowrap">
          <TextInput
            flex={1}
            aria-label="Filter"
            placeholder='Filter, for example target="users/…" AND action:"DisableUser"'
            leftSection={<IconSearch size={16} />}
            value={draft}
            onChange={(event) => setDraft(event.currentTarget.value)}
            error={fault}
            styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 13 } }}
          />
          <Button type="submit" variant="default">
            Filter
          </Button>
        </Group>
      </form>
      {!fault && (
        <Loaded query={query}>
          {({ pages }) => (
            <DataTable
              label="Audit entries"
              rows={pages.flatMap(({ entries }) => entries)}
              columns={columns(setShown)}
              rowId={({ name }) => idOf(name)}
              onRowClick={setShown}
              minWidth={860}
              footer={<LoadMore query={query} />}
              empty={<Empty icon={IconHistory} title={filter ? "No entry fits this filter" : "No entries yet"} />}
            />
          )}
        </Loaded>
      )}
      <Drawer
        opened={shown !== undefined}
        onClose={() => setShown(undefined)}
        position="right"
        size="lg"
        title={shown && verbOf(shown.action)}
        closeButtonProps={{ "aria-label": "Close" }}
      >
        {shown && <EntryDetails entry={shown} />}
      </Drawer>
    </Page>
  );
}

// Asks the server to recompute the chain, when somebody wants to know.
function Verify() {
  const query = useQuery(AuditService.method.verifyChain, {}, { enabled: false, gcTime: 0 });
  return (
    <Group gap={query.data || query.error ? "sm" : 0}>
      <div aria-live="polite">
        {query.error && <Failure error={query.error} title="The chain could not be checked" />}
        {query.data && !query.isFetching && (
          <Alert
            p={8}
            color={query.data.valid ? "teal" : "red"}
            icon={query.data.valid ? <IconShieldCheck size={18} /> : <IconShieldX size={18} />}
            data-testid="chain-verdict"
          >
            {query.data.valid
              ? `Intact: ${formatCount(query.data.entries)} entries fit together.`
              : `Broken at position ${formatCount(query.data.brokenAt)}: an entry was altered or removed.`}
          </Alert>
        )}
      </div>
      <Button
        variant="default"
        leftSection={<IconShieldCheck size={16} />}
        loading={query.isFetching}
        onClick={() => void query.refetch()}
      >
        Verify the chain
      </Button>
    </Group>
  );
}

// "services.identity.v1.IdentityService/DisableUser" -> "Disable user".
const verbOf = (action: string) => humanise(idOf(action));

function columns(show: (entry: Entry) => void): ColumnDef<Entry>[] {
  return [
    { header: "When", cell: ({ row: { original } }) => <Moment time={original.time} /> },
    { header: "Who", cell: ({ row: { original } }) => <Actor name={original.actor} /> },
    {
      header: "What",
      cell: ({ row: { original } }) => (
        <Button variant="transparent" size="compact-sm" p={0} color="var(--mantine-color-text)" onClick={() => show(original)}>
          {verbOf(original.action)}
        </Button>
      ),
    },
    {
      header: "On",
      cell: ({ row: { original } }) =>
        original.target && <Code style={{ whiteSpace: "nowrap" }}>{shortName(original.target)}</Code>,
    },
    {
      header: "Reason",
      cell: ({ row: { original } }) => (
        <Text size="sm" truncate maw={220}>
          {original.reason}
        </Text>
      ),
    },
    {
      header: "From",
      cell: ({ row: { original } }) => (
        <Text size="sm" c="dimmed">
          {original.remoteAddress}
        </Text>
      ),
    },
    {
      header: "Position",
      meta: { align: "right" },
      cell: ({ row: { original } }) => (
        <span className="numeric">{original.position > 0n ? formatCount(original.position) : "–"}</span>
      ),
    },
  ];
}

function EntryDetails({ entry }: { entry: Entry }) {
  const facts: [string, ReactNode][] = [
    ["When", <Moment key="when" time={entry.time} />],
    ["Who", <Actor key="who" name={entry.actor} />],
    ["Action", entry.action],
    ["On", entry.target],
    ["From", entry.remoteAddress || "–"],
  ];
  if (entry.run) facts.push(["In run", entry.run]);
  if (entry.reason) facts.push(["Reason", entry.reason]);
  facts.push(["Position", entry.position > 0n ? formatCount(entry.position) : "not sealed yet"]);
  return (
    <Stack gap="lg">
      <Facts facts={facts} />
      {(["before", "after"] as const).map(
        (side) =>
          entry[side] && (
            <div key={side}>
              <Title order={3} mb="xs">
                {humanise(side)}
              </Title>
              <StructFacts value={entry[side]} />
            </div>
          ),
      )}
    </Stack>
  );
}
