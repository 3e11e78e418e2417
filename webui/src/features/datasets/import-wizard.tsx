import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import {
  Alert,
  Anchor,
  Breadcrumbs,
  Button,
  FileButton,
  Group,
  Paper,
  Radio,
  Select,
  Stack,
  Stepper,
  Text,
  Title,
} from "@mantine/core";
import { IconFileTypeCsv, IconUpload } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { CreateDataset } from "@/components/datasets/create-dataset";
import { type Proposal, usePropose } from "@/components/datasets/propose";
import { UploadProgress } from "@/components/forms/upload-progress";
import { useUpload } from "@/components/forms/use-upload";
import { Page } from "@/components/ui/page";
import { Failure } from "@/components/ui/states";
import { Facts } from "@/components/ui/values";
import type { File as StoredFile } from "@/gen/services/files/v1/files_pb";
import { RecordsService } from "@/gen/services/records/v1/records_pb";
import { type Run, RunsService } from "@/gen/services/runs/v1/runs_pb";
import { columnsOf, datasetIdFrom } from "@/lib/columns";
import { idOf } from "@/lib/names";
import { formatBytes, formatCount } from "@/lib/number";
import { datasetName } from "./api";

interface ImportWizardProps {
  // Where the wizard was opened from, if from a dataset.
  datasetId?: string;
  onStarted: (run: Run) => void;
}

// From a file on this computer to a run of `recordimport`, in three steps: file, dataset, start.
export function ImportWizard({ datasetId, onStarted }: ImportWizardProps) {
  const [file, setFile] = useState<StoredFile>();
  const [proposal, setProposal] = useState<Proposal>();
  const [dataset, setDataset] = useState(datasetId ? datasetName(datasetId) : "");
  const [step, setStep] = useState(0);
  return (
    <Page
      title="Import a file"
      subtitle="CSV, plain or compressed with gzip. The rows are counted live while they arrive."
      above={
        <Breadcrumbs mb={4} fz="sm">
          <Anchor inherit renderRoot={(props) => <Link to="/datasets" {...props} />}>
            Datasets
          </Anchor>
        </Breadcrumbs>
      }
    >
      <Paper p="lg">
        <Stepper active={step} onStepClick={(chosen) => chosen < step && setStep(chosen)} size="sm" allowNextStepsSelect={false}>
          <Stepper.Step label="File" description={file?.fileName ?? "Upload"}>
            <ChooseFile
              onDone={(stored, proposed) => {
                setFile(stored);
                setProposal(proposed);
                setStep(1);
              }}
            />
          </Stepper.Step>
          <Stepper.Step label="Dataset" description={dataset ? idOf(dataset) : "Existing or new"}>
            {file && (
              <ChooseDataset
                fileName={file.fileName}
                proposal={proposal}
                initial={dataset}
                onDone={(name) => {
                  setDataset(name);
                  setStep(2);
                }}
              />
            )}
          </Stepper.Step>
          <Stepper.Step label="Start" description="Check and run">
            {file && <Start key={dataset} file={file} dataset={dataset} onStarted={onStarted} />}
          </Stepper.Step>
        </Stepper>
      </Paper>
    </Page>
  );
}

function ChooseFile({ onDone }: { onDone: (file: StoredFile, proposal: Proposal | undefined) => void }) {
  const upload = useUpload();
  const proposing = usePropose();
  const [name, setName] = useState("");
  const [over, setOver] = useState(false);
  const busy = upload.progress !== undefined || proposing.isPending;
  const take = async (file: File | null | undefined) => {
    if (!file || busy) return;
    setName(file.name);
    // A file that can't be read as a table is told before its megabytes travel.
    const proposal = await proposing.propose(file).catch(() => undefined);
    if (!proposal) return;
    const stored = await upload.start(file);
    if (stored) onDone(stored, proposal);
  };
  return (
    <Stack gap="md" mt="md">
      <Paper
        p={40}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          void take(event.dataTransfer.files[0]);
        }}
        style={{ borderStyle: "dashed", borderWidth: 2, borderColor: over ? "var(--mantine-primary-color-filled)" : undefined }}
        bg={over ? "var(--mantine-primary-color-light)" : undefined}
      >
        <Stack align="center" gap="xs">
          <IconFileTypeCsv size={40} stroke={1.3} aria-hidden />
          <Text fw={550}>Drop a file here</Text>
          <Text size="sm" c="dimmed">
            .csv or .csv.gz, with a header row
          </Text>
          <FileButton
            onChange={(file) => void take(file)}
            inputProps={{ "data-testid": "import-file", "aria-label": "File to import" } as object}
          >
            {(props) => (
              <Button {...props} leftSection={<IconUpload size={16} />} loading={busy}>
                Choose a file
              </Button>
            )}
          </FileButton>
        </Stack>
      </Paper>
      {upload.progress && <UploadProgress name={name} progress={upload.progress} onStop={upload.stop} />}
      {proposing.error && <Failure title={`${name} can't be read as a table`} error={proposing.error} />}
      {upload.error !== undefined && <Failure title="The upload did not succeed" error={upload.error} />}
    </Stack>
  );
}

interface ChooseDatasetProps {
  fileName: string;
  proposal: Proposal | undefined;
  initial: string;
  onDone: (name: string) => void;
}

function ChooseDataset({ fileName, proposal, initial, onDone }: ChooseDatasetProps) {
  const { data } = useQuery(RecordsService.method.listDatasets, { pageSize: 1000 });
  const suggested = datasetIdFrom(fileName);
  const [kind, setKind] = useState(initial ? "existing" : "new");
  const [chosen, setChosen] = useState<string | null>(initial || null);
  const dataset = data?.datasets.find(({ name }) => name === chosen);
  const missing =
    dataset && proposal
      ? columnsOf(dataset.schema).filter(
          ({ name, nullable }) => !nullable && !proposal.columns.some((column) => column.name === name),
        )
      : [];
  return (
    <Stack gap="md" mt="md">
      <Radio.Group aria-label="Where the rows go" value={kind} onChange={setKind}>
        <Group gap="lg">
          <Radio value="new" label="Create a dataset" />
          <Radio value="existing" label="Use an existing dataset" disabled={data?.datasets.length === 0} />
        </Group>
      </Radio.Group>
      {kind === "new" ? (
        <>
          {proposal && (
            <Text size="sm" c="dimmed">
              Proposed from the first {formatCount(proposal.rows)} rows of {fileName}. Check the types, and choose the columns that
              identify a row.
            </Text>
          )}
          <CreateDataset
            proposal={proposal}
            suggestedName={suggested}
            submit="Create and continue"
            onCreated={({ name }) => onDone(name)}
          />
        </>
      ) : (
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
          {missing.length > 0 && (
            <Alert role="note" color="amber" title="The file does not fit this dataset">
              It has no column {missing.map(({ name }) => `“${name}”`).join(", ")}, which must not be empty: every row would be
              rejected.
            </Alert>
          )}
          <Group>
            <Button disabled={!chosen} onClick={() => chosen && onDone(chosen)}>
              Continue
            </Button>
          </Group>
        </>
      )}
    </Stack>
  );
}

function Start({ file, dataset, onStarted }: { file: StoredFile; dataset: string; onStarted: (run: Run) => void }) {
  const client = useQueryClient();
  const [mode, setMode] = useState("UPSERT");
  // One visit to this step is one run, however often the button is pressed.
  const [key] = useState(() => crypto.randomUUID());
  const start = useMutation(RunsService.method.startRun, {
    onSuccess: (run) => {
      void client.invalidateQueries({
        queryKey: createConnectQueryKey({ schema: RunsService.method.listRuns, cardinality: undefined }),
      });
      onStarted(run);
    },
  });
  return (
    <Stack gap="md" mt="md">
      <Title order={2}>Ready to import</Title>
      <Facts
        facts={[
          ["File", `${file.fileName}, ${formatBytes(file.size)}`],
          ["Dataset", idOf(dataset)],
        ]}
      />
      <Radio.Group label="Rows whose key is already there" value={mode} onChange={setMode}>
        <Stack gap="xs" mt="xs">
          <Radio value="UPSERT" label="Update them" description="Rows that say the same are counted as unchanged." />
          <Radio value="INSERT" label="Reject them" description="They go to the rejects file, with the reason." />
        </Stack>
      </Radio.Group>
      {start.error && <Failure title="The import was not started" error={start.error} />}
      <Group>
        <Button
          loading={start.isPending}
          onClick={() =>
            start.mutate({
              process: "recordimport",
              input: { file: file.name, dataset, mode },
              idempotencyKey: `${key}-${mode}`,
            })
          }
        >
          Start the import
        </Button>
      </Group>
    </Stack>
  );
}
