import { Anchor, Breadcrumbs, Button, Group, Paper, Text, TextInput } from "@mantine/core";
import { IconFileExport, IconFileImport, IconSearch, IconTableOff } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ColumnDef } from "@tanstack/react-table";
import { useState } from "react";
import { Page } from "@/components/ui/page";
import { Empty, Failure, Loaded, Loading } from "@/components/ui/states";
import { DataTable } from "@/components/ui/table";
import type { Dataset, Record as DataRecord } from "@/gen/services/records/v1/records_pb";
import type { Run } from "@/gen/services/runs/v1/runs_pb";
import { useProcesses } from "@/lib/catalogue";
import { columnsOf } from "@/lib/columns";
import { problemOf } from "@/lib/errors";
import { idOf } from "@/lib/names";
import { formatCount, plural } from "@/lib/number";
import { useViewer } from "@/lib/viewer";
import { type RecordsView, useDataset, useRecords } from "./api";
import { DatasetMenu } from "./dataset-menu";
import { EXPORT, ExportDialog } from "./export-dialog";
import { RecordDrawer } from "./record-drawer";

export interface View {
  filter?: string;
  // A column, or "column desc".
  order?: string;
}

interface DatasetPageProps {
  name: string;
  view: View;
  onView: (view: View) => void;
  onDeleted: () => void;
  // Told of an export that was started here.
  onStarted: (run: Run) => void;
}

export function DatasetPage({ name, view, onView, onDeleted, onStarted }: DatasetPageProps) {
  const { can } = useViewer();
  const query = useDataset(name);
  return (
    <Page
      title={query.data?.title || idOf(name)}
      subtitle={
        query.data &&
        (query.data.key.length > 0
          ? `Identified by ${query.data.key.join(", ")}`
          : "Without a key: every imported row is a new record")
      }
      above={
        <Breadcrumbs mb={4} fz="sm">
          <Anchor inherit renderRoot={(props) => <Link to="/datasets" {...props} />}>
            Datasets
          </Anchor>
        </Breadcrumbs>
      }
      actions={
        query.data && (
          <>
            <ExportButton dataset={query.data} filter={view.filter ?? ""} onStarted={onStarted} />
            {can("records.write") && can("runs.write") && can("files.write") && (
              <Button
                variant="default"
                leftSection={<IconFileImport size={16} />}
                renderRoot={(props) => <Link to="/import" search={{ dataset: idOf(name) }} {...props} />}
              >
                Import file
              </Button>
            )}
            {can("records.write") && <DatasetMenu dataset={query.data} onDeleted={onDeleted} />}
          </>
        )
      }
    >
      {/* A new view starts at its first page. */}
      <Loaded query={query}>
        {(dataset) => <Records key={`${view.filter}\n${view.order}`} dataset={dataset} view={view} onView={onView} />}
      </Loaded>
    </Page>
  );
}

// Only where the house has the process, and the viewer may start it.
function ExportButton({ dataset, filter, onStarted }: { dataset: Dataset; filter: string; onStarted: (run: Run) => void }) {
  const { can } = useViewer();
  const { data } = useProcesses();
  const [opened, setOpened] = useState(false);
  const known = data?.processes.some(({ name, startable }) => idOf(name) === EXPORT && startable);
  if (!known || !can("runs.write")) return null;
  return (
    <>
      <Button variant="default" leftSection={<IconFileExport size={16} />} onClick={() => setOpened(true)}>
        Export
      </Button>
      {opened && <ExportDialog dataset={dataset} filter={filter} onClose={() => setOpened(false)} onStarted={onStarted} />}
    </>
  );
}

function Records({ dataset, view, onView }: { dataset: Dataset; view: View; onView: (view: View) => void }) {
  const [draft, setDraft] = useState(view.filter ?? "");
  // Tokens of the pages before this one; the last is this page's own.
  const [tokens, setTokens] = useState([""]);
  const [shown, setShown] = useState<DataRecord>();
  const at: RecordsView = { filter: view.filter ?? "", orderBy: view.order ?? "", pageToken: tokens.at(-1) ?? "" };
  const { records, count } = useRecords(dataset.name, at);
  const problem = records.error ? problemOf(records.error) : undefined;
  const filterFault =
    problem && view.filter
      ? (problem.fields.filter ?? (problem.reason === "INVALID_FIELD" ? problem.sentence : undefined))
      : undefined;
  const [column, direction] = (view.order ?? "").split(" ");
  const next = records.data?.nextPageToken;
  const sortBy = (name: string) =>
    onView({ ...view, order: name !== column ? name : direction === "desc" ? undefined : `${name} desc` });
  return (
    <>
      <form
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          onView({ ...view, filter: draft.trim() || undefined });
        }}
      >
        <Group align="flex-start" gap="sm" wrap="nowrap">
          <TextInput
            flex={1}
            aria-label="Filter"
            placeholder={exampleFor(dataset)}
            leftSection={<IconSearch size={16} />}
            value={draft}
            onChange={(event) => setDraft(event.currentTarget.value)}
            error={filterFault}
            styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 13 } }}
          />
          <Button type="submit" variant="default">
            Filter
          </Button>
          {view.filter && (
            <Button variant="subtle" color="gray" onClick={() => onView({ ...view, filter: undefined })}>
              Clear
            </Button>
          )}
        </Group>
      </form>
      {problem && !filterFault && <Failure error={records.error} retry={() => void records.refetch()} />}
      {records.data ? (
        <DataTable
          label="Records"
          rows={records.data.records}
          columns={columnsFor(dataset, setShown)}
          rowId={({ name }) => idOf(name)}
          onRowClick={setShown}
          sort={column ? { column, descending: direction === "desc" } : undefined}
          onSort={sortBy}
          dimmed={records.isPlaceholderData}
          minWidth={Math.max(640, columnsOf(dataset.schema).length * 104)}
          empty={
            view.filter ? (
              <FilterHelp title="No record fits this filter" />
            ) : (
              <Empty icon={IconTableOff} title="No records yet">
                Import a file to fill this dataset.
              </Empty>
            )
          }
          footer={
            <Group justify="space-between" px="md" py="xs" style={{ borderTop: "1px solid var(--mantine-color-default-border)" }}>
              <Text size="sm" c="dimmed" className="numeric" data-testid="record-count" aria-live="polite">
                {count.data ? `${formatCount(count.data.count)} ${plural(count.data.count, "records")}` : ""}
              </Text>
              <Group gap="xs">
                <Button size="xs" variant="default" disabled={tokens.length === 1} onClick={() => setTokens(tokens.slice(0, -1))}>
                  Previous
                </Button>
                <Button
                  size="xs"
                  variant="default"
                  disabled={!next || records.isPlaceholderData}
                  onClick={() => next && setTokens([...tokens, next])}
                >
                  Next
                </Button>
              </Group>
            </Group>
          }
        />
      ) : (
        (!problem || filterFault) && (
          <Paper>{problem ? <FilterHelp title="This filter can't be read" /> : <Loading rows={12} />}</Paper>
        )
      )}
      <RecordDrawer record={shown} dataset={dataset} onClose={() => setShown(undefined)} />
    </>
  );
}

function FilterHelp({ title }: { title: string }) {
  return (
    <Empty icon={IconTableOff} title={title}>
      Compare text with = and double quotes, numbers with =, &lt;, &lt;=, &gt; and &gt;=; a colon looks for a part of a text. Join
      with AND and OR, turn round with NOT.
    </Empty>
  );
}

function columnsFor(dataset: Dataset, show: (record: DataRecord) => void): ColumnDef<DataRecord>[] {
  return columnsOf(dataset.schema).map(({ name, type }, index): ColumnDef<DataRecord> => ({
    id: name,
    header: name,
    meta: { align: type === "integer" || type === "number" ? "right" : undefined },
    cell: ({ row: { original } }) => {
      const value = original.data?.[name];
      const text = value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
      const shown = (
        <Text
          span
          inherit
          className="numeric"
          truncate
          maw={260}
          display="inline-block"
          style={{ verticalAlign: "bottom", whiteSpace: "nowrap" }}
          c={text ? undefined : "dimmed"}
        >
          {text || "–"}
        </Text>
      );
      // The first cell is how a keyboard reaches the details; the row is a larger target for the mouse.
      return index > 0 ? (
        shown
      ) : (
        <Anchor
          component="button"
          type="button"
          inherit
          c="inherit"
          underline="hover"
          onClick={() => show(original)}
          aria-label={`Details of ${original.key.join(", ") || idOf(original.name)}`}
        >
          {shown}
        </Anchor>
      );
    },
  }));
}

// A filter that fits this dataset, as a hint.
function exampleFor(dataset: Dataset): string {
  const columns = columnsOf(dataset.schema);
  const text = columns.find(({ type }) => type === "string")?.name;
  const figure = columns.findLast(({ type }) => type === "integer" || type === "number")?.name;
  const parts = [text && `${text}="…"`, figure && `${figure}>=…`].filter(Boolean);
  return parts.length > 0 ? `Filter, for example ${parts.join(" AND ")}` : "Filter";
}
