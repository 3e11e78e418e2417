import { useQuery } from "@connectrpc/connect-query";
import { Alert, Anchor, Button, Group, Radio, Select, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { CreateDataset } from "@/components/datasets/create-dataset";
import { NewDataset } from "@/components/datasets/new-dataset";
import { RecordsService } from "@/gen/services/records/v1/records_pb";
import { columnsOf, datasetIdFrom } from "@/lib/columns";
import { idOf } from "@/lib/names";
import { formatCount } from "@/lib/number";
import { type ColumnFaults, faultsIn, type FileColumn, place, type Placed } from "./columns";
import { ColumnsTable } from "./columns-table";

interface ChooseDatasetProps {
  fileName: string;
  // What the first rows show; none for a file that is fetched from an address.
  columns: FileColumn[];
  onColumns: (columns: FileColumn[]) => void;
  // Rows looked at.
  rows: bigint;
  // The file has no header.
  unnamed: boolean;
  // What the server said about columns, by the name in the file.
  faults: Record<string, ColumnFaults>;
  initial: string;
  // Whether the file can be read like this.
  check: (columns: Placed[]) => Promise<boolean>;
  onDone: (name: string, columns: Placed[]) => void;
  // How the file is read: shown above, because it decides which columns there are.
  children: ReactNode;
}

// Where the rows go: into a dataset that is made from the file's columns, or into one that is there.
export function ChooseDataset(props: ChooseDatasetProps) {
  const { columns, onColumns, faults, initial } = props;
  const { data } = useQuery(RecordsService.method.listDatasets, { pageSize: 1000 });
  const [kind, setKind] = useState(initial ? "existing" : "new");
  const [chosen, setChosen] = useState<string | null>(initial || null);
  const dataset = data?.datasets.find(({ name }) => name === chosen);
  const there = kind === "existing" ? columnsOf(dataset?.schema) : undefined;
  const placed = place(columns, there, props.unnamed);
  const own = faultsIn(placed);
  const table = columns.length > 0 && (
    <ColumnsTable
      columns={placed}
      there={there}
      faults={Object.fromEntries(columns.map(({ source }) => [source, { ...faults[source], ...own[source] }]))}
      onChange={(source, change) =>
        onColumns(columns.map((column) => (column.source === source ? { ...column, ...change } : column)))
      }
    />
  );
  const check = async () => Object.keys(own).length === 0 && (await props.check(placed));
  return (
    <Stack gap="md" mt="md">
      {props.children}
      <Radio.Group aria-label="Where the rows go" value={kind} onChange={setKind}>
        <Group gap="lg">
          <Radio value="new" label="Create a dataset" />
          <Radio value="existing" label="Use an existing dataset" disabled={data?.datasets.length === 0} />
        </Group>
      </Radio.Group>
      {kind === "existing" ? (
        <>
          <Select
            label="Dataset"
            placeholder="Choose a dataset"
            searchable
            maw={420}
            value={chosen}
            onChange={setChosen}
            data={(data?.datasets ?? []).map(({ name, title }) => ({ value: name, label: title || idOf(name) }))}
          />
          {dataset && table}
          {dataset && columns.length > 0 && <Misfits columns={columns} placed={placed} there={there ?? []} />}
          {columns.length === 0 && <NoColumns />}
          <Continue
            disabled={!chosen || Object.keys(own).length > 0}
            check={check}
            onDone={() => chosen && props.onDone(chosen, placed)}
          />
        </>
      ) : columns.length > 0 ? (
        <>
          <Text size="sm" c="dimmed">
            Proposed from the first {formatCount(props.rows)} rows of {props.fileName}. Check the types, and choose the columns that
            identify a row.
          </Text>
          <NewDataset
            columns={placed.filter(({ skip }) => !skip).map(({ target, type, nullable }) => ({ name: target, type, nullable }))}
            keyColumns={placed.filter(({ skip, key }) => !skip && key).map(({ target }) => target)}
            suggestedName={datasetIdFrom(props.fileName)}
            submit="Create and continue"
            check={check}
            onCreated={({ name }) => props.onDone(name, placed)}
          >
            {table}
          </NewDataset>
        </>
      ) : (
        <>
          <NoColumns />
          <CreateDataset
            suggestedName={datasetIdFrom(props.fileName)}
            submit="Create and continue"
            onCreated={({ name }) => props.onDone(name, [])}
          />
        </>
      )}
    </Stack>
  );
}

function Continue({ disabled, check, onDone }: { disabled: boolean; check: () => Promise<boolean>; onDone: () => void }) {
  const [busy, setBusy] = useState(false);
  const go = async () => {
    setBusy(true);
    const fits = await check();
    setBusy(false);
    if (fits) onDone();
  };
  return (
    <Group>
      <Button disabled={disabled} loading={busy} onClick={() => void go()}>
        Continue
      </Button>
    </Group>
  );
}

interface MisfitsProps {
  columns: FileColumn[];
  placed: Placed[];
  there: { name: string; nullable: boolean }[];
}

// What a person would want to know before rows are rejected, or lost sight of.
function Misfits({ columns, placed, there }: MisfitsProps) {
  const filled = new Set(placed.filter(({ skip }) => !skip).map(({ target }) => target));
  const missing = there.filter(({ name, nullable }) => !nullable && !filled.has(name));
  const unknown = columns.filter(({ skip, nested }, index) => skip === undefined && !nested && placed[index]?.skip);
  const names = (all: { name: string }[]) => all.map(({ name }) => `“${name}”`).join(", ");
  return (
    <>
      {missing.length > 0 && (
        <Alert role="note" color="amber" title="The file does not fit this dataset">
          Nothing fills {names(missing)}, which must not be empty: the import would be refused.
        </Alert>
      )}
      {unknown.length > 0 && (
        <Text size="sm" c="dimmed">
          The dataset has no column for {names(unknown.map(({ source }) => ({ name: source })))}: skipped, unless you choose where
          it goes.
        </Text>
      )}
    </>
  );
}

// The first rows of a file at an address are not here to be looked at.
function NoColumns() {
  return (
    <Text size="sm" c="dimmed">
      The columns of a file at an address are not known here, so they must have the dataset's names. To rename, skip or transform
      some,{" "}
      <Anchor inherit renderRoot={(props) => <Link to="/processes/$process" params={{ process: "recordimport" }} {...props} />}>
        use the full form
      </Anchor>
      .
    </Text>
  );
}
