import { Button, FileButton, Group, Text } from "@mantine/core";
import { IconFileSpreadsheet } from "@tabler/icons-react";
import { useState } from "react";
import { Failure } from "@/components/ui/states";
import type { Dataset } from "@/gen/services/records/v1/records_pb";
import { type Column, datasetIdFrom } from "@/lib/columns";
import { ColumnsEditor } from "./columns-editor";
import { NewDataset } from "./new-dataset";
import { type Proposal, usePropose } from "./propose";

interface CreateDatasetProps {
  suggestedName?: string;
  submit?: string;
  onCreated: (dataset: Dataset) => void;
}

// A new dataset whose columns are typed in, or proposed from a file that stays on this computer.
export function CreateDataset({ suggestedName = "", submit = "Create dataset", onCreated }: CreateDatasetProps) {
  const proposing = usePropose();
  const [proposal, setProposal] = useState<Proposal>();
  const [fileName, setFileName] = useState("");
  const [columns, setColumns] = useState<Column[]>([{ name: "", type: "string", nullable: false }]);
  const [keyColumns, setKeyColumns] = useState<string[]>([]);
  const read = async (file: File | null) => {
    if (!file) return;
    const proposed = await proposing.propose(file).catch(() => undefined); // The fault is in proposing.error.
    if (!proposed) return;
    setProposal(proposed);
    setColumns(proposed.columns);
    setKeyColumns(proposed.keyColumns);
    setFileName(file.name);
  };
  return (
    <NewDataset
      columns={columns}
      keyColumns={keyColumns}
      suggestedName={suggestedName || datasetIdFrom(fileName)}
      submit={submit}
      onCreated={onCreated}
    >
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
    </NewDataset>
  );
}
