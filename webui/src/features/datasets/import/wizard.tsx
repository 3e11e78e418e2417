import { Anchor, Box, Breadcrumbs, Paper, Stepper } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { type Proposal, usePropose } from "@/components/datasets/propose";
import { Page } from "@/components/ui/page";
import { Failure } from "@/components/ui/states";
import type { Format } from "@/gen/services/records/v1/records_pb";
import type { Run } from "@/gen/services/runs/v1/runs_pb";
import { problemOf } from "@/lib/errors";
import { idOf } from "@/lib/names";
import { datasetName } from "../api";
import { columnFaults, columnsOfFile, type FileColumn, type Placed, rulesOf } from "./columns";
import { formatInput, formatOf, nothingSaid } from "./reading";
import { ReadingFields } from "./reading-fields";
import { ChooseSource, type Source, titleOf } from "./source";
import { StartImport } from "./start";
import { ChooseDataset } from "./target";

interface ImportWizardProps {
  // Where the wizard was opened from, if from a dataset.
  datasetId?: string;
  onStarted: (run: Run) => void;
}

// A format that the server did not take.
interface Refusal {
  title: string;
  error: unknown;
  format: Format;
}

// From a file to a run of `recordimport`, in three steps: source, dataset and columns, start.
export function ImportWizard({ datasetId, onStarted }: ImportWizardProps) {
  const [source, setSource] = useState<Source>();
  const [proposal, setProposal] = useState<Proposal>();
  const [reading, setReading] = useState(nothingSaid);
  const [columns, setColumns] = useState<FileColumn[]>([]);
  const [target, setTarget] = useState<{ dataset: string; columns: Placed[] }>({
    dataset: datasetId ? datasetName(datasetId) : "",
    columns: [],
  });
  const [refusal, setRefusal] = useState<Refusal>();
  const [step, setStep] = useState(0);
  const proposing = usePropose();
  const { dataset } = target;
  const format = (placed: Placed[]) => formatOf(reading, rulesOf(placed, reading.noHeader));
  // The first rows as the server reads them like this; undefined if it can't.
  const read = async (file: File, format: Format) => {
    setRefusal(undefined);
    try {
      return await proposing.propose(file, format);
    } catch (error) {
      setRefusal({ title: "The first rows can't be read like this", error, format });
      return undefined;
    }
  };
  const take = (proposed: Proposal | undefined) => {
    setProposal(proposed);
    setColumns(proposed ? columnsOfFile(proposed) : []);
  };
  const fields = formatFaults(refusal?.error);
  return (
    <Page
      title="Import a file"
      subtitle="The rows are counted live while they arrive; what can't be read is kept for correction."
      above={
        <Breadcrumbs mb={4} fz="sm">
          <Anchor inherit renderRoot={(props) => <Link to="/datasets" {...props} />}>
            Datasets
          </Anchor>
        </Breadcrumbs>
      }
    >
      <Paper p="lg">
        <Stepper
          active={step}
          onStepClick={(chosen) => chosen < step && setStep(chosen)}
          size="sm"
          wrap={false}
          allowNextStepsSelect={false}
        >
          <Stepper.Step label="File" description={<Beside>{source ? titleOf(source) : "Upload or address"}</Beside>}>
            <ChooseSource
              onDone={(chosen, proposed) => {
                setSource(chosen);
                take(proposed);
                setReading(nothingSaid);
                setRefusal(undefined);
                setStep(1);
              }}
            />
          </Stepper.Step>
          <Stepper.Step label="Dataset" description={<Beside>{dataset ? idOf(dataset) : "Existing or new"}</Beside>}>
            {source && (
              <ChooseDataset
                fileName={titleOf(source)}
                columns={columns}
                onColumns={(changed) => {
                  setColumns(changed);
                  setRefusal(undefined);
                }}
                rows={proposal?.rows ?? 0n}
                unnamed={reading.noHeader}
                faults={refusal ? columnFaults(fields, refusal.format.columns) : {}}
                initial={dataset}
                check={async (placed) =>
                  source.kind !== "file" ||
                  formatInput(format(placed)) === undefined ||
                  (await read(source.local, format(placed))) !== undefined
                }
                onDone={(name, placed) => {
                  setTarget({ dataset: name, columns: placed });
                  setStep(2);
                }}
              >
                <ReadingFields
                  reading={reading}
                  onChange={(changed) => {
                    setReading(changed);
                    setRefusal(undefined);
                  }}
                  found={proposal?.format}
                  faults={fileFaults(fields)}
                  onAgain={
                    source.kind === "file"
                      ? () => void read(source.local, formatOf(reading)).then((proposed) => proposed && take(proposed))
                      : undefined
                  }
                  busy={proposing.isPending}
                />
                {refusal && <Failure title={refusal.title} error={refusal.error} />}
              </ChooseDataset>
            )}
          </Stepper.Step>
          <Stepper.Step label="Start" description={<Beside>Check and run</Beside>}>
            {source && (
              <StartImport
                key={dataset}
                source={source}
                dataset={dataset}
                columns={target.columns}
                format={formatInput(format(target.columns))}
                onStarted={onStarted}
                onRefused={(error) => {
                  setRefusal({ title: "The import was not started", error, format: format(target.columns) });
                  setStep(1);
                }}
              />
            )}
          </Stepper.Step>
        </Stepper>
      </Paper>
    </Page>
  );
}

// What stands beside a step's name where there is room for it.
const Beside = ({ children }: { children: string }) => (
  <Box component="span" visibleFrom="xs">
    {children}
  </Box>
);

// Faults of the whole file; of a list, whichever of its entries is at fault.
const fileFaults = (fields: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([field, fault]) => (field.startsWith("columns[") ? [] : [[field.replace(/\[.*$/, ""), fault]])),
  );

// "input.format.delimiter" and "format.delimiter" -> "delimiter".
function formatFaults(error: unknown): Record<string, string> {
  if (!error) return {};
  return Object.fromEntries(
    Object.entries(problemOf(error).fields).flatMap(([field, fault]) => {
      const [, name] = /^(?:input\.)?format\.(.+)$/.exec(field) ?? [];
      return name ? [[name, fault]] : [];
    }),
  );
}
