import { useInfiniteQuery } from "@connectrpc/connect-query";
import { Button, Code, Modal, Stack, Text } from "@mantine/core";
import { IconDatabase, IconFileImport, IconPlus } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ColumnDef } from "@tanstack/react-table";
import { useState } from "react";
import { CreateDataset } from "@/components/datasets/create-dataset";
import { Moment } from "@/components/ui/moment";
import { Page } from "@/components/ui/page";
import { Empty, Loaded } from "@/components/ui/states";
import { DataTable, LoadMore } from "@/components/ui/table";
import { type Dataset, RecordsService } from "@/gen/services/records/v1/records_pb";
import { columnsOf } from "@/lib/columns";
import { idOf } from "@/lib/names";
import { useViewer } from "@/lib/viewer";

export function DatasetsPage({ onCreated }: { onCreated: (dataset: Dataset) => void }) {
  const { can } = useViewer();
  const [creating, setCreating] = useState(false);
  const query = useInfiniteQuery(
    RecordsService.method.listDatasets,
    { pageSize: 100, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined },
  );
  const importButton = (
    <Button renderRoot={(props) => <Link to="/import" {...props} />} leftSection={<IconFileImport size={16} />}>
      Import file
    </Button>
  );
  return (
    <Page
      title="Datasets"
      subtitle="Business data: records with a schema and a key."
      actions={
        can("records.write") && (
          <>
            <Button variant="default" leftSection={<IconPlus size={16} />} onClick={() => setCreating(true)}>
              New dataset
            </Button>
            {can("runs.write") && can("files.write") && importButton}
          </>
        )
      }
    >
      <Loaded query={query}>
        {({ pages }) => (
          <DataTable
            label="Datasets"
            rows={pages.flatMap(({ datasets }) => datasets)}
            columns={columns}
            rowId={({ name }) => idOf(name)}
            linked
            footer={<LoadMore query={query} />}
            empty={
              <Empty icon={IconDatabase} title="No datasets yet" action={can("records.write") ? importButton : undefined}>
                Import a CSV file: columns, types and a key are proposed from its first rows.
              </Empty>
            }
          />
        )}
      </Loaded>
      <Modal opened={creating} onClose={() => setCreating(false)} title="New dataset" size="xl">
        <CreateDataset onCreated={onCreated} />
      </Modal>
    </Page>
  );
}

const columns: ColumnDef<Dataset>[] = [
  {
    header: "Dataset",
    cell: ({ row: { original: dataset } }) => (
      <Stack gap={0}>
        <Link
          to="/datasets/$datasetId"
          params={{ datasetId: idOf(dataset.name) }}
          className="stretched"
          style={{ color: "inherit", textDecoration: "none" }}
        >
          <Text size="sm" fw={550} span>
            {dataset.title || idOf(dataset.name)}
          </Text>
        </Link>
        <Text size="xs" c="dimmed">
          {idOf(dataset.name)}
        </Text>
      </Stack>
    ),
  },
  {
    header: "Columns",
    meta: { align: "right", width: 90 },
    cell: ({ row: { original } }) => <span className="numeric">{columnsOf(original.schema).length}</span>,
  },
  {
    header: "Key",
    cell: ({ row: { original } }) =>
      original.key.length > 0 ? (
        <Code>{original.key.join(", ")}</Code>
      ) : (
        <Text size="sm" c="dimmed">
          none
        </Text>
      ),
  },
  { header: "Created", cell: ({ row: { original } }) => <Moment time={original.createTime} /> },
  { header: "Changed", cell: ({ row: { original } }) => <Moment time={original.updateTime} /> },
];
