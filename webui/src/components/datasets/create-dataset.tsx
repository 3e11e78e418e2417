import { createConnectQueryKey, useMutation } from "@connectrpc/connect-query";
import { Alert, Button, FileButton, Group, Stack, Text, TextInput } from "@mantine/core";
import { IconFileSpreadsheet } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Failure } from "@/components/ui/states";
import { type Dataset, RecordsService } from "@/gen/services/records/v1/records_pb";
import { type Column, DATASET_ID, datasetIdFrom, schemaOf } from "@/lib/columns";
import { problemOf } from "@/lib/errors";
import { humanise } from "@/lib/names";
import { ColumnsEditor } from "./columns-editor";
import { type Proposal, usePropose } from "./propose";

interface CreateDatasetProps {
  // What a file proposed, if the caller has read one already.
  proposal?: Proposal;
  suggestedName?: string;
  submit?: string;
  onCreated: (dataset: Dataset) => void;
  aside?: ReactNode;
}

// A new dataset: its name, its columns and its key, typed in or proposed from a file.
export function CreateDataset({
  proposal: given,
  suggestedName = "",
  submit = "Create dataset",
  onCreated,
  aside,
}: CreateDatasetProps) {
  const client = useQueryClient();
  const proposing = usePropose();
  const [proposal, setProposal] = useState(given);
  const [id, setId] = useState(suggestedName);
  const [title, setTitle] = useState(humanise(suggestedName));
  const [columns, setColumns] = useState<Column[]>(given?.columns ?? [{ name: "", type: "string", nullable: false }]);
  const [keyColumns, setKeyColumns] = useState(given?.keyColumns ?? []);
  const create = useMutation(RecordsService.method.createDataset, {
    onSuccess: (dataset) => {
      void client.invalidateQueries({
        queryKey: createConnectQueryKey({ schema: RecordsService.method.listDatasets, cardinality: undefined }),
      });
      onCreated(dataset);
    },
  });
  const faults = create.error ? problemOf(create.error).fields : {};
  const names = columns.map(({ name }) => name);
  const complete = DATASET_ID.test(id) && names.length > 0 && names.every(Boolean) && new Set(names).size === names.length;
  const read = async (file: File | null) => {
    if (!file) return;
    const proposed = await proposing.propose(file).catch(() => undefined); // The fault is in proposing.error.
    if (!proposed) return;
    setProposal(proposed);
    setColumns(proposed.columns);
    setKeyColumns(proposed.keyColumns);
    if (!id) setId(datasetIdFrom(file.name));
    if (!title) setTitle(humanise(datasetIdFrom(file.name)));
  };
  return (
    <form
      aria-label="New dataset"
      onSubmit={(event) => {
        event.preventDefault();
        // The form may stand inside another one (a start form's dialog), which must not be sent with it.
        event.stopPropagation();
        if (complete)
          create.mutate({ datasetId: id, dataset: { title: title || humanise(id), schema: schemaOf(columns), key: keyColumns } });
      }}
    >
      <Stack gap="md">
        <Group align="flex-start" grow>
          <TextInput
            label="Name"
            description="Used in links and filters; it can't be changed later."
            required
            value={id}
            onChange={(event) => setId(event.currentTarget.value)}
            error={
              faults.datasetId ?? (id && !DATASET_ID.test(id) ? "Lower-case letters, digits, - and _; a letter first." : undefined)
            }
          />
          <TextInput
            label="Title"
            description="What people read."
            value={title}
            onChange={(event) => setTitle(event.currentTarget.value)}
            error={faults["dataset.title"]}
          />
        </Group>
        {!given && (
          <Group gap="sm">
            <FileButton onChange={(file) => void read(file)} accept=".csv,.tsv,.txt,.json,.ndjson,.jsonl,.gz,.zst">
              {(props) => (
                <Button {...props} variant="light" leftSection={<IconFileSpreadsheet size={16} />} loading={proposing.isPending}>
                  Propose columns from a file
                </Button>
              )}
            </FileButton>
            <Text size="xs" c="dimmed">
              Only its first rows are read; nothing is uploaded.
            </Text>
          </Group>
        )}
        {proposing.error && <Failure title="The file could not be read" error={proposing.error} />}
        <ColumnsEditor
          columns={columns}
          keyColumns={keyColumns}
          samples={proposal?.samples}
          onChange={(next, keys) => {
            setColumns(next);
            setKeyColumns(keys);
          }}
        />
        <Alert role="note" color={keyColumns.length > 0 ? "harbour" : "amber"} p="xs">
          {keyColumns.length > 0 ? (
            <Text size="sm">
              A record is identified by <b>{keyColumns.join(", ")}</b>. Importing the same file again changes nothing.
            </Text>
          ) : (
            <Text size="sm">Without a key every imported row is a new record, also when the same file is imported twice.</Text>
          )}
        </Alert>
        {create.error && <Failure title="The dataset was not created" error={create.error} />}
        <Group gap="sm">
          <Button type="submit" loading={create.isPending} disabled={!complete}>
            {submit}
          </Button>
          {aside}
        </Group>
      </Stack>
    </form>
  );
}
